"""Submits accepted versions to a server in a bundle, or signs, accepts and submits in one step."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from server.core.metadata import decode_targets
from server.core.names import TOP_LEVEL_ROLES
from server.core.proposal import PackageFile, Proposal
from server.core.release import named_blobs
from signer.bundle_writer import Blob, Progress, check_incoming, prepared_bundle
from signer.errors import ProposalError, refusing, resumable
from signer.keys.keystore import Keystore, Passphrases
from signer.proposal.accept import assemble_signed, find_accepted, take_over
from signer.proposal.document import decode_proposal
from signer.proposal.propose import Proposed
from signer.proposal.signing import find_holdings, sign_proposal
from signer.signing import load_trusted
from signer.work_folder import WorkFolder

Collected = tuple[dict[tuple[str, int], bytes], list[Blob]]
"""The contents of a bundle: bytes by role and version, and packages."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A submitted bundle: its versions by role, and its id."""

    versions: Mapping[str, int]
    bundle: str


def submit(collected: Collected, incoming: Path, progress: Progress | None = None) -> Submitted:
    """Submit a bundle to a server's `incoming` folder; safe to repeat.

    Packages are hashed while they are copied.
    """
    roles, blobs = collected
    with (
        prepared_bundle(incoming, roles, blobs, progress) as bundle,
        resumable("run the same command again to finish"),
    ):
        bundle.reveal()
    return Submitted(dict(sorted(roles)), bundle.id)


def collect_proposals(
    folder: WorkFolder, proposals: Sequence[Proposal], packages: Sequence[Path]
) -> Collected:
    """Return the bundle contents of accepted proposals, with the packages that they list.

    The packages are found among the paths in `packages` by name and length.
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
    return roles, blobs


def collect_versions(
    folder: WorkFolder, since: Mapping[str, int], packages: Sequence[Path]
) -> Collected:
    """Return each role's versions from the one in `since` on, and the packages that they add.

    Raises ProposalError for a version that the folder does not have.
    """
    trusted = load_trusted(folder, None)
    roles: dict[tuple[str, int], bytes] = {}
    blobs = []
    for role, first in since.items():
        versions = trusted.versions.get(role, [])
        if first not in versions:
            newest = versions[-1] if versions else 0
            raise ProposalError(
                f"{folder.folder} has {role} up to {newest}, and no {role} {first}."
            )
        known: set[str] = set()
        for version in versions[max(0, versions.index(first) - 1) :]:
            data = folder.load(role, version)
            if version >= first:
                roles[role, version] = data
            if role in TOP_LEVEL_ROLES:
                continue
            listed = _list_packages(role, data)
            if version >= first:
                blobs += [
                    _find_package(each, packages) for each in listed if each.sha256 not in known
                ]
            known |= {each.sha256 for each in listed}
    return roles, blobs


def _list_packages(role: str, data: bytes) -> list[PackageFile]:
    with refusing(ProposalError):
        targets = decode_targets(role, data).signed.targets
        return [
            PackageFile(sha256, length, path.rpartition("/")[2] + end)
            for path, target in targets.items()
            for end, (sha256, length) in zip(("", ".csig"), named_blobs(target), strict=False)
        ]


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

    The proposal is kept in the working folder until it is submitted. Crash before it is accepted:
    nothing has changed. Crash after that: `complete_kept` submits what was accepted.
    """
    check_incoming(incoming)  # before the working folder changes
    signatures = sign_proposal(
        proposed.transition,
        proposed.identity,
        keystore,
        find_holdings(proposed.transition, keystore),
        passphrases,
    )
    signed = assemble_signed(proposed, [signatures])
    with folder.changing():
        folder.keep_proposal(proposed.identity, proposed.data, packages)
        take_over(folder, proposed.proposal, signed)
        collected = collect_proposals(folder, [proposed.proposal], packages)
        submitted = submit(collected, incoming, progress)
        folder.forget_proposal(proposed.identity)
    return submitted


def complete_kept(folder: WorkFolder, incoming: Path) -> list[Submitted]:
    """Submit proposals that an interrupted `sign_at_once` accepted, and discard the others.

    The recorded bytes are submitted; nothing is signed.
    """
    completed: list[Submitted] = []
    if not folder.exists() or not folder.load_kept_proposals():
        return completed
    with folder.changing():
        for identity, data in folder.load_kept_proposals().items():
            proposal = decode_proposal(data)
            if find_accepted(folder, proposal) is not None:
                packages = folder.load_kept_packages(identity)
                completed.append(submit(collect_proposals(folder, [proposal], packages), incoming))
            folder.forget_proposal(identity)
    return completed


def _find_package(file: PackageFile, packages: Sequence[Path]) -> Blob:
    """Return the path in `packages` with the name and length of `file`.

    If several match, the hash decides, because parts of two packs may have the same name.
    """
    named = [path for path in packages if path.name == file.name]
    fitting = [path for path in named if path.stat().st_size == file.length]
    if len(fitting) > 1:
        fitting = [path for path in fitting if _hash(path) == file.sha256] or fitting
    if fitting:
        return Blob(fitting[0], file.length, file.sha256)
    if named:
        raise ProposalError(
            f"{named[0]} has {named[0].stat().st_size} bytes, and the package {file.name} that was"
            f" signed has {file.length}; give that one."
        )
    raise ProposalError(
        f"The package {file.name} of {file.length} bytes is missing; give it with --package, under"
        " that file name."
    )


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
