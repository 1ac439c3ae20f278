"""What requests and answers of the Etebase API hold, in msgpack.

Names are the protocol's. Members that a server does not know are passed over, as clients may send
more than they need to.
"""

from typing import Annotated, Literal

import msgspec

Uid = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{20,64}\Z")]
Key = Annotated[bytes, msgspec.Meta(min_length=1, max_length=512)]
Type = Annotated[bytes, msgspec.Meta(min_length=1, max_length=1024)]
Meta = Annotated[bytes, msgspec.Meta(max_length=65_536)]
Access = Literal[0, 1, 2]

MAX_ITEMS = 200
"""Items of one batch, and of one question for updates."""


class Chunk(msgspec.Struct, array_like=True):
    """A chunk of an item: its uid, and its ciphertext where it comes along."""

    uid: Uid
    body: bytes | None = None


class Content(msgspec.Struct):
    """A revision: `uid` is the authentication tag of `meta`."""

    uid: Uid
    meta: Meta
    chunks: Annotated[list[Chunk], msgspec.Meta(max_length=4096)]
    deleted: bool


class Item(msgspec.Struct, omit_defaults=True):
    """An item with its current revision; `etag` is the revision that a writer knows."""

    uid: Uid
    version: Annotated[int, msgspec.Meta(ge=0, le=255)]
    content: Content
    encryptionKey: Key | None = None  # noqa: N815 - the protocol's name
    etag: Uid | None = None


class NewCollection(msgspec.Struct):
    """A collection to be made, with the item that describes it."""

    item: Item
    collectionKey: Key  # noqa: N815
    collectionType: Type  # noqa: N815


class Collection(msgspec.Struct):
    """A collection as a member sees it."""

    item: Item
    accessLevel: Access  # noqa: N815
    collectionKey: Key  # noqa: N815
    collectionType: Type  # noqa: N815
    stoken: str


class Types(msgspec.Struct):
    """Which collections are wanted."""

    collectionTypes: Annotated[list[Type], msgspec.Meta(max_length=200)]  # noqa: N815


class Known(msgspec.Struct):
    """An item that a client knows, at the revision `etag` where it says which."""

    uid: Uid
    etag: Uid | None = None


class Batch(msgspec.Struct):
    """Items to be written, and others that must not have changed meanwhile."""

    items: Annotated[list[Item], msgspec.Meta(max_length=MAX_ITEMS)]
    deps: Annotated[list[Known], msgspec.Meta(max_length=MAX_ITEMS)] | None = None


class Removed(msgspec.Struct):
    """A collection of which the account is no member any more."""

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
    """What a member may do from now on."""

    accessLevel: Access  # noqa: N815


class Invitation(msgspec.Struct, omit_defaults=True):
    """An invitation to a collection; the server fills in who it is from."""

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
    """A collection's key, encrypted anew by the account that was invited."""

    collectionType: Type  # noqa: N815
    encryptionKey: Key  # noqa: N815


class Profile(msgspec.Struct):
    """What anybody with a session may know of an account whose name they have."""

    pubkey: bytes
