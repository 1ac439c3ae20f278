"""The position up to which a client has seen changes: Etebase's `stoken`, opaque to clients.

It holds two counts: an account's changes, by which collections are listed, and a collection's
sequence, by which its items are. A client may use a cursor of one list for another; a count that
belongs to another account or collection is as good as none, so that it gets more, never less.
"""

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass

from server.cloud.errors import CloudError

_FORM = struct.Struct(">4s4sQ4sQ")
_NO_OWNER = bytes(4)


@dataclass(frozen=True, slots=True)
class Cursor:
    """`changes` of `account` and `sequence` of `collection`, both seen; each may be missing.

    `generation` is the database's: cursors of before a restored backup end with it.
    """

    generation: bytes
    account: str = ""
    changes: int = 0
    collection: str = ""
    sequence: int = 0


def encode_cursor(cursor: Cursor) -> str:
    """Return a cursor as a client gets it: 38 characters of URL-safe base64."""
    packed = _FORM.pack(
        cursor.generation,
        _mark(cursor.account),
        cursor.changes,
        _mark(cursor.collection),
        cursor.sequence,
    )
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def decode_changes(text: str | None, generation: bytes, account: str) -> int:
    """Return which changes of `account` a client has seen; raises CloudError `bad_stoken`."""
    _, (mark, changes), _ = _decode(text, generation)
    return changes if mark == _mark(account) else 0


def decode_sequence(text: str | None, generation: bytes, collection: str) -> int:
    """Return which sequence of `collection` a client has seen; raises CloudError `bad_stoken`."""
    _, _, (mark, sequence) = _decode(text, generation)
    return sequence if mark == _mark(collection) else 0


def is_at(text: str, generation: bytes, collection: str, sequence: int) -> bool:
    """Answer whether a cursor's holder has seen `collection` exactly up to `sequence`."""
    try:
        return decode_sequence(text, generation, collection) == sequence
    except CloudError:
        return False


def _decode(
    text: str | None, generation: bytes
) -> tuple[bytes, tuple[bytes, int], tuple[bytes, int]]:
    if text is None:
        return generation, (_NO_OWNER, 0), (_NO_OWNER, 0)
    try:
        packed = base64.b64decode(text + "==", altchars=b"-_", validate=True)
        found, account, changes, collection, sequence = _FORM.unpack(packed)
    except (binascii.Error, struct.error, ValueError):
        found = b""
    if found != generation:
        raise CloudError(
            400, "bad_stoken", "this stoken is not of this server; list again without one."
        )
    return found, (account, changes), (collection, sequence)


def _mark(owner: str) -> bytes:
    return hashlib.sha256(owner.encode()).digest()[:4] if owner else _NO_OWNER
