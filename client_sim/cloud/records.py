"""Encrypt and decrypt Etebase items and collections, with padding.

Decryption checks every tag and hash. So the server can neither change an item nor return one under
another item's uid. Other Etebase clients can read the items written here.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from client_sim.cloud import wire
from client_sim.cloud.errors import DeceivedError, SealError
from client_sim.cloud.keys import TAG, AccountKeys, Entropy, Keys, kdf, seal, unseal

CUT: Final = 61_439
"""Maximum bytes of a chunk's content; with padding 60 KiB, which is a Padmé length."""
META_STEP: Final = 256
"""Metadata is padded to a multiple of this many bytes, which hides a title's length."""
UID: Final = 24
"""Random bytes of a uid."""
_SMALL: Final = 1 << 14
_VERSION: Final = 1
_KEY: Final = 32

FetchChunk = Callable[[str], bytes]
"""Downloads the ciphertext of a chunk by its uid."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A decrypted revision of an item: metadata and content, or its deletion.

    `meta` usually has `name` and `mtime` (ms), and may have members of other clients.
    """

    content: bytes = b""
    meta: dict[str, Any] = field(default_factory=dict)
    deleted: bool = False

    @property
    def name(self) -> str:
        """The name in the metadata, empty without one."""
        name = self.meta.get("name")
        return name if isinstance(name, str) else ""

    @property
    def mtime(self) -> int:
        """The time of the change by the writer's clock, in epoch milliseconds; 0 if missing."""
        at = self.meta.get("mtime")
        return at if isinstance(at, int) and 0 <= at < 1 << 53 else 0


def encode_uid(data: bytes) -> str:
    """Return bytes as URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_uid(text: str) -> bytes:
    """Return the bytes of URL-safe base64 without padding; raises DeceivedError."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise DeceivedError("The server gave a malformed uid.") from None


def find_padded(length: int) -> int:
    """Return the padded length of `length` bytes: 1 KiB steps below 16 KiB, else Padmé."""
    if length < _SMALL:
        return (length | 1023) + 1
    return find_padme(length)


def find_padme(length: int) -> int:
    """Return the Padmé length of `length`, which is at least 2; adds at most 12 %."""
    exponent = length.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (length + mask) & ~mask


def pad(data: bytes) -> bytes:
    """Pad a chunk's content: a byte 0x80, then zeros to a multiple of the padded length."""
    block = find_padded(len(data))
    return (data + b"\x80").ljust(-(-(len(data) + 1) // block) * block, b"\0")


def unpad(data: bytes) -> bytes:
    """Remove the padding; raises DeceivedError if it is missing."""
    content = data.rstrip(b"\0")
    if not content.endswith(b"\x80"):
        raise DeceivedError("A record has no valid padding.")
    return content[:-1]


def item_keys(collection: bytes, item: wire.Item) -> Keys:
    """Return an item's keys, given the collection's key; raises SealError for another key."""
    if item.encryptionKey is not None:
        cipher = kdf(collection, 1, "Col")
        return Keys.derive(unseal(cipher, item.encryptionKey)[:_KEY], "ColItem")
    return _derive_item(collection, item.uid)


def encode_item(
    collection: bytes, uid: str, revision: Revision, entropy: Entropy, etag: str | None = None
) -> wire.Item:
    """Encrypt a revision of the item `uid` that replaces the revision `etag`."""
    return encode_item_under(_derive_item(collection, uid), uid, revision, entropy, etag)


def encode_item_under(
    keys: Keys,
    uid: str,
    revision: Revision,
    entropy: Entropy,
    etag: str | None = None,
    wrapped_key: bytes | None = None,
) -> wire.Item:
    """Encrypt a revision with an item's own keys; `wrapped_key` is their wrapped key."""
    chunks = [
        wire.Chunk(encode_uid(keys.hash(piece)), seal(keys.cipher, pad(piece), entropy))
        for piece in _cut(revision.content)
    ]
    bound = _bind(keys, uid, [chunk.uid for chunk in chunks], deleted=revision.deleted)
    sealed = seal(keys.cipher, _encode_meta(revision.meta), entropy, bound)
    content = wire.Content(
        encode_uid(sealed[-TAG:]), sealed[:-TAG], chunks, deleted=revision.deleted
    )
    return wire.Item(uid, _VERSION, content, wrapped_key, etag)


def decode_item(
    collection: Sequence[bytes], item: wire.Item, fetch: FetchChunk | None = None
) -> Revision:
    """Decrypt an item; `collection` holds the collection's key and, after a rotation, former ones.

    `fetch` downloads chunks that are not included. Raises DeceivedError unless the owner's devices
    wrote exactly this item.
    """
    content = item.content
    uids = [chunk.uid for chunk in content.chunks]
    tag = decode_uid(content.uid)
    for key in collection:
        try:
            keys = item_keys(key, item)
            bound = _bind(keys, item.uid, uids, deleted=content.deleted)
            meta = unseal(keys.cipher, content.meta + tag, bound)
        except SealError:
            continue
        return Revision(
            b"" if content.deleted else _join(keys, content.chunks, fetch),
            _decode_meta(meta),
            deleted=content.deleted,
        )
    raise DeceivedError("The server gave a record that none of your phones wrote.")


def make_collection(
    account: AccountKeys, type_name: str, title: str, entropy: Entropy
) -> tuple[dict[str, Any], bytes]:
    """Return the body of the request that creates a collection, and the collection's key."""
    key, uid = entropy(_KEY), encode_uid(entropy(UID))
    kind = account.type_of(type_name)
    request = {
        "item": encode_item(key, uid, Revision(meta={"name": title}), entropy),
        "collectionKey": wrap_collection(account, kind, (key,), entropy),
        "collectionType": kind,
    }
    return request, key


def wrap_collection(
    account: AccountKeys, kind: bytes, keys: Sequence[bytes], entropy: Entropy
) -> bytes:
    """Encrypt a collection's keys with the account's key."""
    return seal(account.keys.cipher, b"".join(keys), entropy, kind)


def open_collection(account: AccountKeys, kind: bytes, found: wire.Collection) -> tuple[bytes, ...]:
    """Decrypt a collection's keys, the current one first.

    Raises DeceivedError if the collection is changed or of another type.
    """
    if found.collectionType != kind:
        raise DeceivedError("The server gave a collection of another type than requested.")
    try:
        opened = unseal(account.keys.cipher, found.collectionKey, kind)
    except SealError:
        raise DeceivedError("The server gave a collection with a key that is not yours.") from None
    keys = tuple(opened[at : at + _KEY] for at in range(0, len(opened) - _KEY + 1, _KEY))
    if not keys:
        raise DeceivedError("The server gave a collection without a key.")
    decode_item(keys, found.item, lambda _: b"")  # proves that the key belongs to the uid
    return keys


def _derive_item(collection: bytes, uid: str) -> Keys:
    # The protocol uses the uid as the key and the subkey as the message, not the reverse.
    subkey = kdf(collection, 4, "Col")
    key = hashlib.blake2b(subkey, digest_size=32, key=uid.encode()).digest()
    return Keys.derive(key, "ColItem")


def _bind(keys: Keys, uid: str, chunks: Sequence[str], *, deleted: bool) -> bytes:
    """Return a revision's associated data: item uid, chunks, and whether it is deleted."""
    name = uid.encode()
    pieces = hashlib.blake2b(b"".join(map(decode_uid, chunks)), digest_size=32).digest()
    return keys.hash(bytes([deleted]) + len(name).to_bytes(4, "little") + name + pieces)


def _encode_meta(meta: dict[str, Any]) -> bytes:
    members = {**meta, "pad": b""}
    short = -(len(msgspec.msgpack.encode(members)) + 1) % META_STEP
    return msgspec.msgpack.encode({**members, "pad": bytes(short)}) + b"\x80"


def _decode_meta(data: bytes) -> dict[str, Any]:
    meta = wire.decode(unpad(data), dict[str, Any])
    meta.pop("pad", None)
    return dict(meta)


def _cut(content: bytes) -> list[bytes]:
    """Split a content into unique chunks; if there are several, append one with their order."""
    if not content:
        return []
    pieces = [content[at : at + CUT] for at in range(0, len(content), CUT)]
    if len(pieces) == 1:
        return pieces
    unique = list(dict.fromkeys(pieces))
    order = [unique.index(piece) for piece in pieces]
    return [*unique, msgspec.msgpack.encode([order])]


def _join(keys: Keys, chunks: Sequence[wire.Chunk], fetch: FetchChunk | None) -> bytes:
    pieces = [_open_chunk(keys, chunk, fetch) for chunk in chunks]
    if len(pieces) < 2:
        return b"".join(pieces)
    (order,) = wire.decode(pieces.pop(), tuple[list[int]])
    if any(not 0 <= index < len(pieces) for index in order):
        raise DeceivedError("A record's order of chunks is malformed.")
    return b"".join(pieces[index] for index in order)


def _open_chunk(keys: Keys, chunk: wire.Chunk, fetch: FetchChunk | None) -> bytes:
    body = chunk.body
    if body is None:
        if fetch is None:
            raise DeceivedError("The server left out a part of a record.")
        body = fetch(chunk.uid)
    try:
        piece = unpad(unseal(keys.cipher, body))
    except SealError:
        raise DeceivedError("The server gave a changed part of a record.") from None
    if encode_uid(keys.hash(piece)) != chunk.uid:
        raise DeceivedError("The server gave a part of another record.")
    return piece
