"""From a change to a proposal, and from a signed proposal to the working folder and the server.

What touches the working folder; judging and signing are elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tuf.api.metadata import Metadata, Root, Targets

from server.core.metadata import decode_root, decode_targets, encode_metadata
from server.core.names import TOP_LEVEL_ROLES
from signer.bundle_writer import Blob, Progress, prepared_bundle
from signer.errors import ProposalError, refusing, resumable
from signer.keys.keystore import Keystore, Passphrases
from signer.keys.public_key import PublicKey
from signer.proposal.acceptance import assemble_files, collect_signatures, tally_signatures
from signer.proposal.change import Change
from signer.proposal.document import (
    MetadataText,
    PackageFile,
    Proposal,
    decode_proposal,
    encode_proposal,
    proposal_id,
)
from signer.proposal.signatures import RoleSignature, SignatureFile
from signer.proposal.signing import find_holdings, sign_proposal
from signer.proposal.trust import Transition, changed_delegations, verify_proposal
from signer.signing import load_trusted
from signer.work_folder import WorkFolder


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal: the octets of its file and its id, what it says, and what follows from it."""

    octets: bytes
    identity: str
    proposal: Proposal
    transition: Transition


@dataclass(frozen=True, slots=True)
class Submitted:
    """What was handed to the server: versions by role, and the id of the bundle."""

    versions: Mapping[str, int]
    bundle: str


def propose_change(
    folder: WorkFolder, change: Change, keys: Sequence[PublicKey], now: datetime, note: str = ""
) -> Proposed:
    """Return the proposal of `change`, which is judged first.

    `keys` are those whose names the reader is to see. The first version of a repository is proposed
    where `folder` has none.
    """
    proposal = Proposal(
        schema=1,
        kind="proposal",
        created=int(now.timestamp()),
        note=note,
        names={key.keyid: key.label for key in keys},
        context=_load_context(folder, change) if folder.exists() else [],
        changes=_encode_changes(change.roles),
        packages=sorted(
            {
                PackageFile(package.sha256, package.length, package.path.name)
                for package in change.packages
            }
        ),
    )
    transition = verify_proposal(proposal, now)
    octets = encode_proposal(proposal)
    return Proposed(octets, proposal_id(octets), proposal, transition)


def load_proposal(octets: bytes, now: datetime) -> Proposed:
    """Read a proposal file and judge it."""
    proposal = decode_proposal(octets)
    return Proposed(octets, proposal_id(octets), proposal, verify_proposal(proposal, now))


def accept_signatures(
    folder: WorkFolder, proposed: Proposed, files: Sequence[SignatureFile]
) -> dict[tuple[str, int], bytes]:
    """Take a signed proposal over into the working folder; octets by role and version.

    Refuses when a threshold is not met, and when the folder has moved on since it was proposed.
    What was accepted before is accepted again without change.
    """
    transition, proposal = proposed.transition, proposed.proposal
    signatures = collect_signatures(transition, proposed.identity, files)
    _check_complete(proposed, signatures)
    octets = assemble_files(transition, signatures)
    files_by_version = {
        (role, transition.new[role].signed.version): data for role, data in octets.items()
    }
    if not folder.exists():
        if transition.before is not None:
            raise ProposalError(
                f"{folder.folder} is no repository, and the proposal changes one; give its folder."
            )
        folder.folder.mkdir(parents=True, exist_ok=True)
        folder.reveal(folder.prepare(octets))
        return files_by_version
    with folder.changing():
        accepted = find_accepted(folder, proposal)
        if accepted is not None:
            return accepted
        _check_current(folder, proposal)
        folder.accept(files_by_version)
    return files_by_version


def find_accepted(folder: WorkFolder, proposal: Proposal) -> dict[tuple[str, int], bytes] | None:
    """Return the signed octets of an accepted proposal; None when it is not accepted (yet)."""
    found = {}
    versions = folder.load_versions()
    for file in proposal.changes:
        if file.version not in versions.get(file.role, []):
            return None
        data = folder.load(file.role, file.version)
        with refusing(ProposalError):
            metadata = _decode(file.role, data)
            metadata.signatures.clear()
            if encode_metadata(metadata) != file.data:
                return None
        found[file.role, file.version] = data
    return found


def submit_proposals(
    folder: WorkFolder,
    proposals: Sequence[Proposal],
    packages: Sequence[Path],
    incoming: Path,
    progress: Progress | None = None,
) -> Submitted:
    """Hand accepted proposals to a server in one bundle, with the packages that they list.

    `packages` are found by name and length, and hashed while they are copied. Safe to repeat.
    """
    roles: dict[tuple[str, int], bytes] = {}
    blobs = []
    for proposal in proposals:
        accepted = find_accepted(folder, proposal) if folder.exists() else None
        if accepted is None:
            raise ProposalError(
                f"The proposal is not accepted in {folder.folder}; run `ceremony accept` first."
            )
        roles |= accepted
        blobs += [_find_package(file, packages) for file in proposal.packages]
    with (
        prepared_bundle(incoming, roles, blobs, progress) as bundle,
        resumable("the same command completes what was begun"),
    ):
        bundle.reveal()
    return Submitted(dict(sorted(roles)), bundle.id)


def sign_at_once(
    folder: WorkFolder,
    keystore: Keystore,
    passphrases: Passphrases,
    proposed: Proposed,
    packages: Sequence[Path],
    incoming: Path,
    progress: Progress | None = None,
) -> Submitted:
    """Sign a proposal with the keys of one folder, accept and submit it.

    The proposal is kept in the working folder once it is signed. Crash before it is accepted:
    nothing has changed, and the same command can be run again. Crash after that: `ceremony submit`
    with the proposal that was kept completes it.
    """
    signatures = sign_proposal(
        proposed.transition,
        proposed.identity,
        keystore,
        find_holdings(proposed.transition, keystore),
        passphrases,
    )
    _check_complete(
        proposed, collect_signatures(proposed.transition, proposed.identity, [signatures])
    )
    kept = folder.keep_proposal(proposed.identity, proposed.octets)
    with resumable(f"if it was signed already, `ceremony submit {kept}` completes it"):
        accept_signatures(folder, proposed, [signatures])
        return submit_proposals(folder, [proposed.proposal], packages, incoming, progress)


def _check_complete(proposed: Proposed, signatures: Mapping[str, Sequence[RoleSignature]]) -> None:
    for tally in tally_signatures(proposed.transition, signatures):
        if tally.missing:
            judge = f" of {tally.judge}" if tally.judge else ""
            names = proposed.proposal.names
            waiting = ", ".join(names.get(key, f"key {key[:16]}") for key in tally.waiting)
            raise ProposalError(
                f"{tally.role} has {len(tally.signed)} of the {tally.threshold} signatures that it"
                f" needs{judge}; it can still be signed by {waiting}."
            )


def _load_context(folder: WorkFolder, change: Change) -> list[MetadataText]:
    trusted = load_trusted(folder, None)
    versions = {"targets": trusted.versions["targets"][-1]}
    touched = set(change.roles) - set(TOP_LEVEL_ROLES)
    targets = change.roles.get("targets")
    if isinstance(targets, Targets):
        touched |= changed_delegations(trusted.targets, targets)
    for role in touched:
        if role in trusted.versions:
            versions[role] = trusted.versions[role][-1]
    wanted = [("root", version) for version in trusted.versions["root"]]
    wanted += versions.items()
    return [
        MetadataText(role, version, folder.load(role, version).decode())
        for role, version in sorted(wanted)
    ]


def _encode_changes(roles: Mapping[str, Root | Targets]) -> list[MetadataText]:
    with refusing(ProposalError):
        return [
            MetadataText(role, signed.version, encode_metadata(Metadata(signed)).decode())
            for role, signed in sorted(roles.items())
        ]


def _check_current(folder: WorkFolder, proposal: Proposal) -> None:
    versions = folder.load_versions()
    for file in proposal.context:
        current = versions.get(file.role, [0])[-1]
        if file.role == "root":
            continue
        if current != file.version or folder.load(file.role, current) != file.data:
            raise ProposalError(
                f"{folder.folder} has {file.role} {current} by now, and the proposal was made for"
                f" {file.role} {file.version}; propose the change again."
            )


def _find_package(file: PackageFile, packages: Sequence[Path]) -> Blob:
    for path in packages:
        if path.name == file.name and path.stat().st_size == file.length:
            return Blob(path, file.length, file.sha256)
    raise ProposalError(
        f"The package {file.name} of {file.length} octets goes with the proposal; name it, too."
    )


def _decode(role: str, data: bytes) -> Metadata[Any]:
    return decode_root(data) if role == "root" else decode_targets(role, data)
