"""The msgpack structures of the Etebase API's requests and responses.

Member names are the protocol's. Unknown members are ignored, as clients may send more than needed.

A `Cursor` is the position up to which a client has seen changes: Etebase's `stoken`, opaque to
clients. It holds two counters: an account's changes, which order the list of collections, and a
collection's sequence, which orders its items. A client may use a cursor from one list for another.
A counter of another account or collection is then taken as 0, so the client gets too many entries,
never too few.
"""

import base64
import hashlib
import struct
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from server.cloud.errors import CloudError

_FORM = struct.Struct(">4s4sQ4sQ")
_NO_OWNER = bytes(4)
Uid = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{20,64}\Z")]
Key = Annotated[bytes, msgspec.Meta(min_length=1, max_length=512)]
Type = Annotated[bytes, msgspec.Meta(min_length=1, max_length=1024)]
Meta = Annotated[bytes, msgspec.Meta(max_length=65_536)]
Access = Literal[0, 1, 2]

MAX_ITEMS = 200
"""Maximum number of items in one batch, and in one request for updates."""


class Chunk(msgspec.Struct, array_like=True):
    """A chunk of an item: its uid, and its ciphertext if it is included."""

    uid: Uid
    body: bytes | None = None


class Content(msgspec.Struct):
    """A revision of an item; `uid` is the authentication tag of `meta`."""

    uid: Uid
    meta: Meta
    chunks: Annotated[list[Chunk], msgspec.Meta(max_length=4096)]
    deleted: bool


class Item(msgspec.Struct, omit_defaults=True):
    """An item with a revision, `content`; `etag` is the current revision that a writer expects."""

    uid: Uid
    version: Annotated[int, msgspec.Meta(ge=0, le=255)]
    content: Content
    encryptionKey: Key | None = None  # noqa: N815 - the protocol's name
    etag: Uid | None = None


class NewCollection(msgspec.Struct):
    """A collection to create, with the item that describes it."""

    item: Item
    collectionKey: Key  # noqa: N815
    collectionType: Type  # noqa: N815


class Collection(msgspec.Struct):
    """A collection with one member's access level, wrapped key and type."""

    item: Item
    accessLevel: Access  # noqa: N815
    collectionKey: Key  # noqa: N815
    collectionType: Type  # noqa: N815
    stoken: str


class Types(msgspec.Struct):
    """The types of collections to list."""

    collectionTypes: Annotated[list[Type], msgspec.Meta(max_length=200)]  # noqa: N815


class Known(msgspec.Struct):
    """An item that a client knows, with its revision `etag` if given."""

    uid: Uid
    etag: Uid | None = None


class Batch(msgspec.Struct):
    """Items to write, and other items that must still be at the given revisions."""

    items: Annotated[list[Item], msgspec.Meta(max_length=MAX_ITEMS)]
    deps: Annotated[list[Known], msgspec.Meta(max_length=MAX_ITEMS)] | None = None


class Removed(msgspec.Struct):
    """A collection of which the account is no longer a member."""

    uid: Uid


class CollectionList(msgspec.Struct, omit_defaults=True):
    """A page of collections."""

    data: list[Collection]
    stoken: str
    done: bool
    removedMemberships: list[Removed] | None = None  # noqa: N815


class ItemList(msgspec.Struct):
    """A page of items."""

    data: list[Item]
    stoken: str
    done: bool


class RevisionList(msgspec.Struct):
    """A page of an item's revisions, newest first."""

    data: list[Content]
    iterator: str | None
    done: bool


class Member(msgspec.Struct):
    """A member of a collection."""

    username: str
    accessLevel: Access  # noqa: N815


class MemberList(msgspec.Struct):
    """A page of members."""

    data: list[Member]
    iterator: str | None
    done: bool


class AccessChange(msgspec.Struct):
    """A member's new access level."""

    accessLevel: Access  # noqa: N815


class Invitation(msgspec.Struct, omit_defaults=True):
    """An invitation to a collection; the server fills in `fromUsername` and `fromPubkey`."""

    uid: Uid
    version: Annotated[int, msgspec.Meta(ge=0, le=255)]
    accessLevel: Access  # noqa: N815
    username: Annotated[str, msgspec.Meta(min_length=1, max_length=254)]
    collection: Uid
    signedEncryptionKey: Key  # noqa: N815
    fromUsername: str | None = None  # noqa: N815
    fromPubkey: bytes | None = None  # noqa: N815


class InvitationList(msgspec.Struct):
    """A page of invitations."""

    data: list[Invitation]
    iterator: str | None
    done: bool


class Acceptance(msgspec.Struct):
    """A collection's key and type, encrypted with the key of the account that accepts."""

    collectionType: Type  # noqa: N815
    encryptionKey: Key  # noqa: N815


class Profile(msgspec.Struct):
    """The public part of an account, for any caller that is logged in and knows its name."""

    pubkey: bytes


@dataclass(frozen=True, slots=True)
class Cursor:
    """A synchronization cursor: the `changes` of `account` and `sequence` of `collection` seen.

    Either pair may be missing. `generation` is the database's; a restore changes it, which
    invalidates all earlier cursors.
    """

    generation: bytes
    account: str = ""
    changes: int = 0
    collection: str = ""
    sequence: int = 0


def encode_cursor(cursor: Cursor) -> str:
    """Return a cursor as 38 characters of URL-safe base64."""
    packed = _FORM.pack(
        cursor.generation,
        _mark(cursor.account),
        cursor.changes,
        _mark(cursor.collection),
        cursor.sequence,
    )
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def decode_changes(text: str | None, generation: bytes, account: str) -> int:
    """Return a cursor's changes of `account`, 0 if missing; raises CloudError `bad_stoken`."""
    (mark, changes), _ = _decode(text, generation)
    return changes if mark == _mark(account) else 0


def decode_sequence(text: str | None, generation: bytes, collection: str) -> int:
    """Return a cursor's sequence of `collection`, 0 if missing; raises CloudError `bad_stoken`."""
    _, (mark, sequence) = _decode(text, generation)
    return sequence if mark == _mark(collection) else 0


def is_at(text: str, generation: bytes, collection: str, sequence: int) -> bool:
    """Return whether a cursor's position in `collection` is exactly `sequence`."""
    try:
        return decode_sequence(text, generation, collection) == sequence
    except CloudError:
        return False


def _decode(text: str | None, generation: bytes) -> tuple[tuple[bytes, int], tuple[bytes, int]]:
    if text is None:
        return (_NO_OWNER, 0), (_NO_OWNER, 0)
    try:
        packed = base64.b64decode(text + "==", altchars=b"-_", validate=True)
        found, account, changes, collection, sequence = _FORM.unpack(packed)
    except (struct.error, ValueError):
        found = b""
    if found != generation:
        raise CloudError(
            400, "bad_stoken", "this stoken is invalid or expired; list again without one."
        )
    return (account, changes), (collection, sequence)


def _mark(owner: str) -> bytes:
    return hashlib.sha256(owner.encode()).digest()[:4] if owner else _NO_OWNER
