"""The proposal file as the signer reads and writes it: the codec of `server.core.proposal`.

Here its refusals become the signer's, so that a command says them as its own.
"""

import hashlib

from server.core import proposal as codec
from server.core.proposal import (
    MAX_PROPOSAL,
    Hash,
    KeyLabel,
    MetadataText,
    PackageFile,
    Proposal,
    proposal_id,
)
from server.core.release_texts import MAX_NOTE
from signer.errors import ProposalError, refusing

__all__ = [
    "MAX_NOTE",
    "MAX_PROPOSAL",
    "Hash",
    "KeyLabel",
    "MetadataText",
    "PackageFile",
    "Proposal",
    "decode_proposal",
    "encode_proposal",
    "hash_unsigned",
    "proposal_id",
]


def encode_proposal(proposal: Proposal) -> bytes:
    """Return the octets of a proposal file; raises ProposalError for one that breaks the format."""
    with refusing(ProposalError):
        return codec.encode_proposal(proposal)


def decode_proposal(data: bytes) -> Proposal:
    """Read a proposal file; refuse anything but its one encoding. Nothing in it is trusted yet."""
    with refusing(ProposalError):
        return codec.decode_proposal(data)


def hash_unsigned(data: bytes) -> str:
    """Return the sha256 by which the unsigned octets of a role version are remembered."""
    return hashlib.sha256(data).hexdigest()
