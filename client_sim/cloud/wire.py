"""Structures of the server's responses; other responses are refused before they are used.

Members that the phone does not use are ignored.
"""

from typing import Annotated, Any

import msgspec

from client_sim.cloud.errors import DeceivedError

Uid = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{20,64}\Z")]
Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{22}\Z")]
Token = Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]{1,512}\Z")]
Key = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Wrap = Annotated[bytes, msgspec.Meta(max_length=1024)]
Time = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]


class Chunk(msgspec.Struct, array_like=True):
    """A chunk's uid, and its ciphertext if it is included."""

    uid: Uid
    body: bytes | None = None


class Content(msgspec.Struct):
    """A revision; `uid` is the tag of `meta`, and so the item's etag."""

    uid: Uid
    meta: bytes
    chunks: list[Chunk]
    deleted: bool


class Item(msgspec.Struct, omit_defaults=True):
    """An item with its current revision; `etag` is the revision that it replaces."""

    uid: Uid
    version: int
    content: Content
    encryptionKey: bytes | None = None  # noqa: N815 - the protocol's name
    etag: str | None = None


class Collection(msgspec.Struct):
    """A collection of the account."""

    item: Item
    accessLevel: int  # noqa: N815
    collectionKey: bytes  # noqa: N815
    collectionType: bytes  # noqa: N815


class Removed(msgspec.Struct):
    """A collection of which the account is no longer a member."""

    uid: Uid


class CollectionPage(msgspec.Struct):
    """A page of changed collections, and a cursor."""

    data: list[Collection]
    stoken: str
    done: bool
    removedMemberships: list[Removed] | None = None  # noqa: N815


class ItemPage(msgspec.Struct):
    """A page of changed items, and a cursor."""

    data: list[Item]
    stoken: str
    done: bool


class RevisionPage(msgspec.Struct):
    """A page of an item's revisions, newest first."""

    data: list[Content]
    iterator: str | None
    done: bool


class Challenge(msgspec.Struct):
    """The challenge that a login signs, and the salt and version for deriving the main key."""

    salt: bytes
    challenge: bytes
    version: int = 1


class User(msgspec.Struct):
    """The account in a login's response."""

    username: str
    pubkey: Key
    encryptedContent: Wrap  # noqa: N815


class Login(msgspec.Struct):
    """A new session."""

    token: Token
    user: User


class Session(msgspec.Struct):
    """A logged-in device."""

    id: Id
    created_at: Time
    expires_at: Time
    is_this: bool
    state: str
    key: bytes | None
    label: bytes | None


class Registered(msgspec.Struct):
    """This device's session id and state."""

    id: Id
    state: str


class JustChallenge(msgspec.Struct):
    """The challenge that a change of keys signs."""

    challenge: bytes


class OpenedRecovery(msgspec.Struct):
    """The account's keys, encrypted with the recovery words, and its public key."""

    wrap: Wrap
    public_key: Key


class Recovery(msgspec.Struct):
    """The server's data of the recovery words."""

    key: Key
    words: Wrap
    wrap: Wrap


class NewToken(msgspec.Struct):
    """A token of a session or of a program."""

    token: Token


class Usage(msgspec.Struct):
    """The account's quota and usage in bytes; a quota of 0 means no limit."""

    quota: Annotated[int, msgspec.Meta(ge=0)]
    used: Annotated[int, msgspec.Meta(ge=0)]


class Receipt(msgspec.Struct):
    """A consent's receipt, a signed note."""

    receipt: str


class Withdrawal(msgspec.Struct):
    """A withdrawal's receipt, and the erasure that it announces."""

    receipt: str
    erasure: Id
    begins_at: Time
    ends_at: Time


class Erasure(msgspec.Struct):
    """The progress of an erasure; `receipt` is a signed note once it is done."""

    id: Id
    step: str
    begins_at: Time
    due_at: Time
    receipt: str | None


class Listed(msgspec.Struct):
    """An object of a vault."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    size: Annotated[int, msgspec.Meta(ge=0)]


def decode(data: bytes, kind: Any, *, is_json: bool = False) -> Any:  # noqa: ANN401 - the result is of the type `kind`
    """Decode a response as `kind`; raises DeceivedError if it is malformed."""
    codec = msgspec.json if is_json else msgspec.msgpack
    try:
        return codec.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise DeceivedError("The server's response is malformed.") from None
