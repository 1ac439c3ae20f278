"""Signs a proposal with the keys that one holder has."""

from collections.abc import Sequence
from dataclasses import dataclass

from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Signer

from signer.errors import ProposalError, SignerError
from signer.keys.keystore import Keystore, Passphrases
from signer.keys.public_key import PublicKey
from signer.proposal.signatures import RoleSignature, SignatureFile
from signer.proposal.trust import Transition


@dataclass(frozen=True, slots=True)
class Holding:
    """The keys of one folder that may sign a proposal, and the roles that each signs."""

    key: PublicKey
    roles: tuple[str, ...]


def find_holdings(
    transition: Transition, keystore: Keystore, names: Sequence[str] = ()
) -> list[Holding]:
    """Return the keys in the folder that may sign; only those of `names` where any are given.

    Raises ProposalError when there is none, or one of `names` may not sign or is not there.
    """
    keys = [key for key in keystore.load_public_keys() if keystore.has_private(key.name)]
    if names:
        if missing := sorted(set(names) - {key.name for key in keys}):
            raise ProposalError(f"The private half of {missing[0]} is not in {keystore.folder}.")
        keys = [key for key in keys if key.name in names]
    allowed = {role: transition.signing_keys(role).keys() for role in transition.new}
    holdings = []
    for key in keys:
        keyid = key.keyid  # worked out anew at each look
        roles = tuple(role for role in transition.new if keyid in allowed[role])
        if roles:
            holdings.append(Holding(key, roles))
        elif names:
            raise ProposalError(f"{key.name} may not sign any role that the proposal changes.")
    if not holdings:
        raise ProposalError(
            f"No key in {keystore.folder} may sign what the proposal changes"
            f" ({', '.join(transition.new)}); give the proposal to those who hold them."
        )
    return holdings


def sign_proposal(
    transition: Transition,
    proposal_id: str,
    keystore: Keystore,
    holdings: Sequence[Holding],
    passphrases: Passphrases,
) -> SignatureFile:
    """Return the signatures of every key in `holdings` under every role that it may sign."""
    signatures: list[RoleSignature] = []
    for holding in holdings:
        signer = keystore.load_signer(holding.key, passphrases)
        signatures.extend(_sign(signer, transition, role) for role in holding.roles)
    return SignatureFile(
        schema=1, kind="signatures", proposal=proposal_id, signatures=sorted(signatures)
    )


def _sign(signer: Signer, transition: Transition, role: str) -> RoleSignature:
    data = transition.new[role].signed_bytes
    signature = signer.sign(data)
    try:
        signer.public_key.verify_signature(signature, data)
    except UnverifiedSignatureError as error:
        raise SignerError(
            f"The key {signature.keyid[:16]} made a signature that does not hold; nothing was"
            " written, so look after the token or memory that it is in."
        ) from error
    return RoleSignature(role, signature.keyid, signature.signature)
