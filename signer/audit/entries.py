"""Reads the entries of the log: bundles of leaves, and what a leaf says.

Source: C2SP tlog-tiles for the bundle; docs/FORMATS.md section 7 for the leaf.
"""

from dataclasses import dataclass

from server.core.checkpoint import MAX_LEAF, encode_leaf
from server.core.encodings import decode_decimal
from server.core.errors import HeningError
from server.core.tiles import WIDTH
from signer.audit.errors import AnswerError

MAX_BUNDLE = WIDTH * (2 + MAX_LEAF)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a leaf says: this version of this role is the file with this sha256."""

    role: str
    version: int
    sha256: str


def decode_bundle(data: bytes) -> list[bytes]:
    """Split an entry bundle into its leaves, each led by its length in two octets.

    Raises AnswerError for a leaf of no octets or more than 160, and for octets that are left over.
    """
    leaves = []
    position = 0
    while position < len(data):
        length = int.from_bytes(data[position : position + 2])
        leaf = data[position + 2 : position + 2 + length]
        if not 1 <= length <= MAX_LEAF or len(leaf) != length:
            raise AnswerError("an entry bundle is malformed.")
        leaves.append(leaf)
        position += 2 + length
    return leaves


def decode_entry(leaf: bytes) -> Entry:
    """Read a leaf; refuse, with AnswerError, every octet that `encode_leaf` would not write."""
    try:
        _, role, version, sha256, _ = leaf.decode("ascii").split("\n")
        entry = Entry(role, decode_decimal(version), sha256)
        is_canonical = encode_leaf(entry.role, entry.version, entry.sha256) == leaf
    except (ValueError, HeningError) as error:
        raise AnswerError("a leaf of the log is not one of a role version.") from error
    if not is_canonical or entry.version == 0:
        raise AnswerError("a leaf of the log is not one of a role version.")
    return entry
