"""Signature files: what a key holder sends back after signing a proposal.

Canonical JSON, at most 16 MiB:

    {"kind":"signatures","proposal":ID,"schema":1,
     "signatures":[{"keyid":H,"role":ROLE,"sig":HEX}…]}

sorted by role, then key id. `sig` is the Ed25519 signature, in hex, of the TUF canonical form of
the role's new version. Source: docs/FORMATS.md section 10.
"""

from typing import Annotated, Literal

import msgspec

from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.names import check_role
from signer.errors import ProposalError, refusing
from signer.proposal.document import Hash

MAX_SIGNATURES = 16 * 1024 * 1024
Hex128 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{128}\Z")]


class RoleSignature(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """One key's signature of one role of a proposal."""

    role: str
    keyid: Hash
    sig: Hex128


class SignatureFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The signatures that one holder made for the proposal with the id `proposal`."""

    schema: Literal[1]
    kind: Literal["signatures"]
    proposal: Hash
    signatures: Annotated[list[RoleSignature], msgspec.Meta(min_length=1, max_length=50_000)]


def encode_signatures(file: SignatureFile) -> bytes:
    """Return the octets of a signature file."""
    with refusing(ProposalError):
        data = encode_canonical_json(msgspec.to_builtins(file))
    _check(file)
    return data


def decode_signatures(data: bytes) -> SignatureFile:
    """Read a signature file; refuse anything but its one encoding. Nothing is verified yet."""
    with refusing(ProposalError):
        value = decode_canonical_json(data, limit=MAX_SIGNATURES)
    try:
        file = msgspec.convert(value, SignatureFile)
    except msgspec.ValidationError as error:
        raise ProposalError(
            f"The file holds no signatures of schema 1: {error}; ask for the one that"
            " `ceremony sign` wrote."
        ) from error
    _check(file)
    return file


def _check(file: SignatureFile) -> None:
    pairs = [(signature.role, signature.keyid) for signature in file.signatures]
    if sorted(set(pairs)) != pairs:
        raise ProposalError("The signatures are not sorted and free of repetition.")
    with refusing(ProposalError):
        for role, _ in pairs:
            check_role(role)
