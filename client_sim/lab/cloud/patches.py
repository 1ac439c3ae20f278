"""Changes inside hening's own phone for leaky clients: each replaces a function of the phone.

They are in force only while the leaky client runs.
"""

# ruff: noqa: ANN401, SLF001 - replaces private attributes of many types

import hashlib
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
from nacl.signing import SigningKey

from client_sim.cloud import (
    account,
    age,
    keys,
    photos,
    pieces,
    policy,
    pull,
    push,
    records,
    recovery,
    store,
    sync,
)
from client_sim.cloud import owner_data as data
from client_sim.cloud.errors import DeceivedError, SealError
from client_sim.cloud.keys import AccountKeys, Keys
from client_sim.cloud.kinds import encode_inner
from client_sim.lab.cloud import phone
from client_sim.lab.cloud.world import CloudWorld

Value = Callable[[], bytes]
Patches = Sequence[tuple[Any, str, Any]]
_PATCHES: Final[dict[str, Callable[[Value, CloudWorld], Patches]]] = {}


def find_patches(name: str, value: Value, world: CloudWorld) -> Patches:
    """Return the patches of a name: owner, attribute and replacement."""
    return _PATCHES[name](value, world)


def _patch(name: str) -> Callable[[Callable[..., Patches]], Callable[..., Patches]]:
    """Register a change that depends on the row's value or the phone's world."""

    def add(make: Callable[..., Patches]) -> Callable[..., Patches]:
        _PATCHES[name] = make
        return make

    return add


def _swap(name: str, owner: object, attribute: str, new: object) -> None:
    """Register a change that is always the same."""
    _PATCHES[name] = lambda _value, _world: [(owner, attribute, new)]


# Backup off, and types that are on.


_swap("guard", sync._Guard, "__call__", lambda _guard: None)


_ON: Final[Callable[[Any], tuple[str, ...]]] = account.Cloud.__dict__["enabled_types"].fget


def _with_messages(cloud: Any) -> tuple[str, ...]:
    found = _ON(cloud)
    return (*found, "message") if found and "message" not in found else found


_swap("message-on", account.Cloud, "enabled_types", property(_with_messages))


# Encrypted content, and its length.


def _with_content(change: Callable[[bytes], bytes]) -> Callable[..., Any]:
    encode = records.encode_item

    def other(key: bytes, uid: str, revision: Any, *rest: Any, **more: Any) -> Any:
        return encode(key, uid, replace(revision, content=change(revision.content)), *rest, **more)

    return other


@_patch("content")
def _content(value: Value, _world: CloudWorld) -> Patches:
    leaked = value()

    def add(content: bytes) -> bytes:
        line = b"NOTE:" + leaked + b"\r\nEND:VCARD"
        return content.replace(b"END:VCARD", line)

    return [(push, "encode_item", _with_content(add))]


_swap("compressed", push, "encode_item", _with_content(zlib.compress))
_swap("meta-unpadded", records, "_encode_meta", lambda m: msgspec.msgpack.encode(m) + b"\x80")
_swap("unpadded", records, "pad", lambda body: body + b"\x80")
_swap("piece-unpadded", photos, "find_padme", lambda length: length)
_swap("unsealed", records, "seal", lambda _k, body, draw, _bound=None: draw(24) + body + draw(16))


# Names.


def _convergent(_key: bytes, info: str) -> bytes:
    return keys.hkdf(bytes(32), info)


_swap("uid-unkeyed", data, "hkdf", _convergent)


def _share_photo_key(cloud: Any) -> None:
    """Give all accounts the same key, so that the same photo is the same file in all of them."""
    body = encode_inner({"age": age.Identity(hashlib.sha256(b"all").digest()).encode()})
    cloud.store.put(store.Row(push.new_uid(cloud), "keys", None, body, at=cloud.now * 1000))


_PATCHES["piece-convergent"] = lambda _value, _world: [
    (pieces, "hkdf", _convergent),
    (pieces, "make_photo_key", _share_photo_key),
]
_swap(
    "chunk-unkeyed",
    Keys,
    "hash",
    lambda _keys, body: hashlib.blake2b(body, digest_size=32).digest(),
)


@_patch("uid")
def _uid(value: Value, _world: CloudWorld) -> Patches:
    leaked = value()

    def name(cloud: Any) -> str:
        number = b"%d" % len(cloud.store.live("contact"))
        return records.encode_uid(hashlib.sha256(leaked + number).digest()[:24])

    return [(data, "new_uid", name)]


def _type_plain(_account: AccountKeys, name: str) -> bytes:
    return name.encode().ljust(72, b"\0")


_swap("type-plain", AccountKeys, "type_of", _type_plain)


_SHARED, _TYPE_OF = AccountKeys(bytes(32), bytes(32)), AccountKeys.type_of
_swap("type-shared", AccountKeys, "type_of", lambda _account, name: _TYPE_OF(_SHARED, name))


# Keys.


@_patch("account-key")
def _account_key(value: Value, _world: CloudWorld) -> Patches:
    leaked = value()
    replacement = AccountKeys(leaked, hashlib.sha256(leaked).digest())
    return [(account, "make_account_keys", lambda _draw: replacement)]


@_patch("words")
def _words(value: Value, _world: CloudWorld) -> Patches:
    leaked, make = value()[:16], recovery.make_words
    return [(phone, "make_words", lambda cloud, secret=b"": make(cloud, secret or leaked))]


@_patch("device-key")
def _device_key(value: Value, _world: CloudWorld) -> Patches:
    replacement = SigningKey(value())
    return [(account.Cloud, "device_key", property(lambda _cloud: replacement))]


# Nonces.


def _seal_by(draw: Callable[[bytes], bytes]) -> Patches:
    def other(key: bytes, message: bytes, _draw: object, bound: bytes | None = None) -> bytes:
        return keys.seal_under(key, message, draw(message)[:24].ljust(24, b"\0"), bound)

    return [(module, "seal", other) for module in (keys, account, records, recovery)]


@_patch("nonce")
def _nonce(value: Value, world: CloudWorld) -> Patches:
    leaked = value()[:16]

    def draw(_message: bytes) -> bytes:
        return leaked + world.entropy(8) if len(leaked) > 8 else leaked

    return _seal_by(draw)


@_patch("nonce-content")
def _nonce_content(_value: Value, _world: CloudWorld) -> Patches:
    return _seal_by(lambda message: hashlib.sha256(message).digest())


@_patch("nonce-once")
def _nonce_once(_value: Value, world: CloudWorld) -> Patches:
    drawn = world.entropy(24)
    return _seal_by(lambda _message: drawn)


# Times.


def _due_at(find: Callable[[Any, float], float]) -> Callable[..., float]:
    def draw(cloud: Any) -> float:
        due = find(cloud, cloud.platform.now())
        cloud.store.set("due", f"{due:.0f}".encode())
        return due

    return draw


_swap("due-fixed", sync, "draw_next", _due_at(lambda _cloud, now: now + 6 * 3600))


@_patch("due-by")
def _due_by(value: Value, _world: CloudWorld) -> Patches:
    draw, leaked = sync.draw_next, int(value()) % 60
    return [
        (sync, "draw_next", _due_at(lambda cloud, now: min(draw(cloud), now + 28_000) + leaked))
    ]


@_patch("due-changed")
def _due_changed(_value: Value, _world: CloudWorld) -> Patches:
    draw = sync.draw_next

    def find(cloud: Any, now: float) -> float:
        return now + 3_600 if cloud.store.changed("contact") else draw(cloud)

    return [(sync, "draw_next", _due_at(find))]


# Law, and trust in the server's answers.


@_patch("age")
def _age(_value: Value, _world: CloudWorld) -> Patches:
    make = policy.make_statement

    def other(terms: Any, locale: str, key: Any, *, at_least: int, guardian: bool) -> Any:
        return make(terms, locale, key, at_least=max(99, at_least), guardian=guardian)

    return [(policy, "make_statement", other)]


_swap("rollback", store.Store, "is_former", lambda *_: False)
_swap(
    "salt-taken",
    account,
    "_derive_checked",
    lambda cloud, _region, _name, answer, password: cloud.derive(password.encode(), answer.salt),
)
_swap("text-unverified", policy, "check_text", lambda _policy, _locale, text: text.decode())


def _open_anything(note: bytes, _key: Any, _what: str) -> bytes:
    return note.rpartition(b"\n\n")[0] + b"\n"


_swap("policy-unverified", policy, "_open", _open_anything)


_swap("receipt-unverified", policy, "check_consent_receipt", lambda *_: {})


def _unwrap_anything(cipher: bytes, wrap: bytes, _public: bytes) -> AccountKeys:
    try:
        opened = keys.unseal(cipher, wrap)
    except SealError:
        opened = bytes(64)
    return AccountKeys(opened[:32], opened[32:64])


_swap("account-unverified", account, "unwrap_account", _unwrap_anything)


def _decode_unbound(found: Any, item: Any, fetch: Any = None) -> Any:
    """Decode a record without its binding, and accept any other record instead."""
    try:
        return records.decode_item(found, item, fetch)
    except DeceivedError:
        return records.Revision(b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:?\r\nEND:VCARD\r\n")


_swap("item-unbound", pull, "decode_item", _decode_unbound)

# Harmless ones.


_swap("batch", push, "BATCH", 2)
_swap("page", pull, "PAGE", 50)
_swap("pause", sync, "MIN_INTERVAL", sync.MIN_INTERVAL + 600)
_swap("heads", sync, "LISTED", 100)


@_patch("title")
def _title(_value: Value, _world: CloudWorld) -> Patches:
    make = records.make_collection

    def other(keys_: Any, name: str, _title: str, draw: Any) -> Any:
        return make(keys_, name, "Backup", draw)

    return [(push, "make_collection", other)]


@_patch("draws")
def _draws(_value: Value, world: CloudWorld) -> Patches:
    draw = sync.draw_next

    def more(cloud: Any) -> float:
        world.entropy(5)
        return draw(cloud)

    return [(sync, "draw_next", more)]
