"""Puts signatures under a proposal: which hold, which are missing, and the signed octets.

Pure. What comes out has been verified as phones and servers verify it; nothing is half-signed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.signer import Signature

from server.core.metadata import encode_metadata, verify_first_root, verify_role, verify_root
from signer.errors import ProposalError, refusing
from signer.proposal.signatures import RoleSignature, SignatureFile
from signer.proposal.trust import Transition


@dataclass(frozen=True, slots=True)
class Tally:
    """How far the signatures of one role are, for one set of keys that must agree.

    `judge` says whose keys: empty, or for root `the old root` and `the new root`. `signed` and
    `waiting` are key ids, sorted.
    """

    role: str
    judge: str
    threshold: int
    signed: tuple[str, ...]
    waiting: tuple[str, ...]

    @property
    def missing(self) -> int:
        """How many more signatures it takes."""
        return max(0, self.threshold - len(self.signed))


def collect_signatures(
    transition: Transition, proposal_id: str, files: Sequence[SignatureFile]
) -> dict[str, list[RoleSignature]]:
    """Return the signatures of each role by key id, every one of them verified.

    Raises ProposalError for a file of another proposal, a key that may not sign the role and a
    signature that does not hold.
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
    """Return how far each role is, root once for its old and once for its new keys."""
    tallies = []
    for role in transition.new:
        held = {signature.keyid for signature in signatures.get(role, ())}
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
                    tuple(sorted(keyids & held)),
                    tuple(sorted(keyids - held)),
                )
            )
    return tallies


def assemble_files(
    transition: Transition, signatures: Mapping[str, Sequence[RoleSignature]]
) -> dict[str, bytes]:
    """Return the signed octets of each role, verified against the keys that must have signed it.

    Raises ProposalError when a threshold is not met.
    """
    files: dict[str, bytes] = {}
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
        files[role] = data
    return files


def _verify(transition: Transition, signature: RoleSignature) -> None:
    role = signature.role
    if role not in transition.new:
        raise ProposalError(f"A signature is for {role}, which the proposal does not change.")
    public = transition.signing_keys(role).get(signature.keyid)
    if public is None:
        raise ProposalError(
            f"The key {signature.keyid[:16]} has signed {role} and may not; nothing was accepted."
        )
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(
            bytes.fromhex(signature.sig), transition.new[role].signed_bytes
        )
    except (InvalidSignature, ValueError) as error:
        raise ProposalError(
            f"The signature of {signature.keyid[:16]} under {role} does not hold; ask its holder to"
            " sign again."
        ) from error
