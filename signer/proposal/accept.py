"""Adds signatures to a proposal and accepts it into the working folder, atomically."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.signer import Signature

from server.core.metadata import (
    encode_metadata,
    verify_first_root,
    verify_role,
    verify_root,
)
from server.core.proposal import Proposal
from signer.errors import EnvironmentFailedError, ProposalError, WorkFolderError, refusing
from signer.proposal.propose import Proposed
from signer.proposal.signing import RoleSignature, SignatureFile
from signer.proposal.trust import Transition
from signer.signing import decode_offline_role
from signer.work_folder import WorkFolder

Files = dict[tuple[str, int], bytes]
"""Bytes by role and version."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The signatures of one role so far, for one set of keys with a threshold.

    `judge` names the set of keys: empty, or for root `the old root` and `the new root`. `signed`
    and `waiting` are key ids, sorted.
    """

    role: str
    judge: str
    threshold: int
    signed: tuple[str, ...]
    waiting: tuple[str, ...]

    @property
    def missing(self) -> int:
        """How many more signatures are needed."""
        return max(0, self.threshold - len(self.signed))


def collect_signatures(
    transition: Transition, proposal_id: str, files: Sequence[SignatureFile]
) -> dict[str, list[RoleSignature]]:
    """Verify all signatures and return them by role, sorted by key id.

    Raises ProposalError for a file of another proposal, for a key that may not sign the role, and
    for an invalid signature.
    """
    found: dict[str, dict[str, RoleSignature]] = {role: {} for role in transition.new}
    for file in files:
        if file.proposal != proposal_id:
            raise ProposalError(
                f"A signature file is for the proposal {file.proposal[:16]} and not for"
                f" {proposal_id[:16]}; ask its holder to sign this one."
            )
        for signature in file.signatures:
            _verify(transition, signature)
            found[signature.role][signature.keyid] = signature
    return {role: [found[role][key] for key in sorted(found[role])] for role in found}


def tally_signatures(
    transition: Transition, signatures: Mapping[str, Sequence[RoleSignature]]
) -> list[Tally]:
    """Return the tally of each role; root has one for its old and one for its new keys."""
    tallies = []
    for role in transition.new:
        present = {signature.keyid for signature in signatures.get(role, ())}
        judges = [("", transition.after)]
        if role == "root" and transition.before is not None:
            judges = [("the old root", transition.before), ("the new root", transition.after)]
        for judge, state in judges:
            delegation = state.delegator(role).get_delegated_role(role)
            keyids = set(delegation.keyids)
            tallies.append(
                Tally(
                    role,
                    judge,
                    delegation.threshold,
                    tuple(sorted(keyids & present)),
                    tuple(sorted(keyids - present)),
                )
            )
    return tallies


def assemble_files(
    transition: Transition, signatures: Mapping[str, Sequence[RoleSignature]]
) -> Files:
    """Return the signed bytes of each role, verified against the keys that must have signed it.

    Raises ProposalError when a threshold is not met.
    """
    files: Files = {}
    for role, metadata in transition.new.items():
        metadata.signatures.clear()
        for signature in signatures.get(role, ()):
            metadata.signatures[signature.keyid] = Signature(signature.keyid, signature.sig)
        with refusing(ProposalError):
            data = encode_metadata(metadata)
            if role != "root":
                verify_role(role, data, transition.after.delegator(role), None)
            elif transition.before is None:
                verify_first_root(data)
            else:
                verify_root(data, transition.before.root, None)
        files[role, metadata.signed.version] = data
    return files


def _verify(transition: Transition, signature: RoleSignature) -> None:
    role = signature.role
    if role not in transition.new:
        raise ProposalError(f"A signature is for {role}, which the proposal does not change.")
    public = transition.signing_keys(role).get(signature.keyid)
    if public is None:
        raise ProposalError(
            f"The key {signature.keyid[:16]} signed {role} and may not; nothing was accepted."
        )
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(
            bytes.fromhex(signature.sig), transition.new[role].signed_bytes
        )
    except (InvalidSignature, ValueError) as error:
        raise ProposalError(
            f"The signature of {signature.keyid[:16]} under {role} is not valid; ask its holder to"
            " sign again."
        ) from error


def accept_signatures(
    folder: WorkFolder, proposed: Proposed, files: Sequence[SignatureFile]
) -> Files:
    """Accept a signed proposal into the working folder; return bytes by role and version.

    Raises ProposalError when a threshold is not met, and when the folder has changed since the
    proposal was made. Accepting a proposal again changes nothing.
    """
    signed = assemble_signed(proposed, files)
    if proposed.transition.before is not None:
        with folder.changing():
            return take_over(folder, proposed.proposal, signed)
    with folder.locked():
        if folder.exists():
            return take_over(folder, proposed.proposal, signed)
        folder.create({role: data for (role, _), data in signed.items()})
        return _read_back(folder, proposed.proposal, signed)


def find_accepted(folder: WorkFolder, proposal: Proposal) -> Files | None:
    """Return the signed bytes of a proposal if the folder has accepted it, otherwise None."""
    found = {}
    versions = folder.load_versions()
    for file in proposal.changes:
        if file.version not in versions.get(file.role, []):
            return None
        data = folder.load(file.role, file.version)
        with refusing(ProposalError):
            metadata = decode_offline_role(file.role, data)
            metadata.signatures.clear()
            if encode_metadata(metadata) != file.data:
                return None
        found[file.role, file.version] = data
    return found


def assemble_signed(proposed: Proposed, files: Sequence[SignatureFile]) -> Files:
    """Return the signed bytes of a proposal; raises ProposalError unless its thresholds are met."""
    signatures = collect_signatures(proposed.transition, proposed.identity, files)
    _check_complete(proposed, signatures)
    return assemble_files(proposed.transition, signatures)


def take_over(folder: WorkFolder, proposal: Proposal, files: Files) -> Files:
    """Add signed bytes to a folder that is locked for a change, unless it has them already.

    Raises ProposalError when the folder's state is not the one that the proposal was made for.
    """
    accepted = find_accepted(folder, proposal)
    if accepted is not None:
        return accepted
    _check_current(folder, proposal)
    folder.accept(files)
    return _read_back(folder, proposal, files)


def _read_back(folder: WorkFolder, proposal: Proposal, files: Files) -> Files:
    if find_accepted(folder, proposal) != files:
        raise EnvironmentFailedError(
            f"{folder.folder} does not contain what was just written; check its disk, and run the"
            " command again."
        )
    return files


def _check_complete(proposed: Proposed, signatures: Mapping[str, Sequence[RoleSignature]]) -> None:
    names = proposed.proposal.names
    missing = []
    for tally in tally_signatures(proposed.transition, signatures):
        if tally.missing:
            judge = f" of {tally.judge}" if tally.judge else ""
            waiting = ", ".join(names.get(key, f"key {key[:16]}") for key in tally.waiting)
            missing.append(
                f"{tally.role} has {len(tally.signed)} of the {tally.threshold} signatures that it"
                f" needs{judge} and can still be signed by {waiting}"
            )
    if missing:
        raise ProposalError(f"{'; '.join(missing)}.")


def _check_current(folder: WorkFolder, proposal: Proposal) -> None:
    """Raise ProposalError unless the folder's state equals the proposal's context byte by byte.

    All roots and targets are always compared, because the keys that may sign must be unchanged.
    """
    if not proposal.context:
        raise ProposalError(
            f"{folder.folder} holds a repository already, and the proposal begins a new one; choose"
            " a new folder, or change this one with `ceremony holders` and `ceremony model`."
        )
    versions = folder.load_versions()
    context = {(file.role, file.version): file.data for file in proposal.context}
    present = {("root", version) for version in versions.get("root", [])}
    present |= {(role, versions.get(role, [0])[-1]) for role, _ in context if role != "root"}
    current = {role: numbers[-1] for role, numbers in versions.items()}
    for role, version in sorted(present | set(context)):
        if (role, version) in context and context[role, version] == _load(folder, role, version):
            continue
        made_for = max(number for name, number in context if name == role)
        if made_for > current.get(role, 0):
            raise ProposalError(
                f"{folder.folder} has {role} {current.get(role, 0)} only, and the proposal was made"
                f" for {role} {made_for}; accept the proposal before this one first."
            )
        if made_for < current[role]:
            raise ProposalError(
                f"{folder.folder} has {role} {current[role]} by now, and the proposal was made for"
                f" {role} {made_for}; propose the change again."
            )
        raise ProposalError(
            f"The proposal was made for another {role} {version} than {folder.folder} has; it"
            " belongs to another repository, so do not accept it."
        )


def _load(folder: WorkFolder, role: str, version: int) -> bytes:
    try:
        return folder.load(role, version)
    except WorkFolderError:
        return b""
