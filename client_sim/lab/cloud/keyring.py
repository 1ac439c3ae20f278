"""The keys that follow from an owner's password and the traffic, and the parts of requests."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from client_sim.lab.cloud.decryption import NONCE, Account, hkdf, kdf, open_account, unseal
from client_sim.lab.cloud.double import msgpack, read_note
from client_sim.lab.cloud.phone import NEW_PASSWORD
from client_sim.lab.cloud.world import NAME, PASSWORD, Exchange, derive_main

INNER: Final = frozenset({"keys", "devices"})
"""Types of records that phones keep for themselves."""
COLLECTIONS: Final = {
    "etebase.vcard": "contact",
    "etebase.md.note": "note",
    "hening.sms": "message",
    "hening.photo": "photo",
    "hening.keys": "keys",
    "hening.devices": "devices",
}
"""Types by the name of their collection type."""
MALFORMED: Final = (LookupError, TypeError, ValueError, AttributeError, msgspec.MsgspecError)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a request: its bytes, its meaning, its decrypted content, and any problem."""

    name: str
    data: bytes
    meaning: str
    plaintext: bytes = b""
    problem: str = ""


@dataclass
class Keyring:
    """The keys and facts known so far; `nonces` are (key, nonce, data), `contents` (type, text)."""

    drawn: frozenset[bytes]
    account: Account | None = None
    main_keys: list[bytes] = field(default_factory=list)
    seeds: dict[bytes, bytes] = field(default_factory=dict)
    secrets: dict[str, bytes] = field(default_factory=dict)
    collections: dict[str, tuple[str, tuple[bytes, ...]]] = field(default_factory=dict)
    identities: dict[bytes, bytes] = field(default_factory=dict)
    devices: set[bytes] = field(default_factory=set)
    tokens: dict[int, str] = field(default_factory=dict)
    programs: set[str] = field(default_factory=set)
    challenges: set[bytes] = field(default_factory=set)
    etags: set[str] = field(default_factory=set)
    policy: Mapping[str, Any] = field(default_factory=dict)
    policy_hash: str = ""
    nonces: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)
    contents: list[tuple[str, bytes]] = field(default_factory=list)
    not_fresh: list[Part] = field(default_factory=list)

    def add_secret(self, name: str, value: bytes) -> None:
        """Remember a secret, which must not be found in anything that leaves."""
        self.secrets[f"{name} {len(self.secrets)}"] = value


def check_members(value: Mapping[str, Any], names: str, where: str) -> Iterator[Part]:
    """Yield a problem if a value does not have exactly the members `names`."""
    if set(value) != set(names.split()):
        differing = sorted(set(value) ^ set(names.split()))
        data = repr({name: value.get(name) for name in differing}).encode()
        yield Part(where, data, "", problem=f"its members are not exactly {names}")


def equal(name: str, value: object, expected: object, meaning: str) -> Part:
    """Return a part that must have the expected value."""
    data = value if isinstance(value, bytes) else str(value).encode()
    problem = "" if value == expected else "it is not the expected value"
    return Part(name, data, meaning, problem=problem)


def fresh(ring: Keyring, name: str, data: bytes, meaning: str) -> Part:
    """Return a part that must be random; remember it for the judge if it was not drawn."""
    part = Part(name, data, meaning)
    if data not in ring.drawn:
        ring.not_fresh.append(part)
    return part


def open_sealed(
    ring: Keyring, name: str, data: bytes, key: bytes, meaning: str, bound: bytes | None = None
) -> Part:
    """Decrypt a ciphertext; remember its nonce, which must be drawn and used only once."""
    ring.nonces.append((key, data[:NONCE], data))
    fresh(ring, f"nonce of {name}", data[:NONCE], "random")
    try:
        return Part(name, data, meaning, unseal(key, data, bound))
    except ValueError:
        return Part(name, data, meaning, problem="the owner's keys do not decrypt it")


def make_main_keys(ring: Keyring, salt: bytes) -> list[bytes]:
    """Derive the main keys from the owner's passwords."""
    main_keys = [derive_main(password.encode(), salt) for password in (PASSWORD, NEW_PASSWORD)]
    for main in main_keys:
        if main not in ring.main_keys:
            ring.main_keys.append(main)
            ring.add_secret("main key", main)
            ring.add_secret("main cipher", kdf(main, 1, "Main"))
            ring.add_secret("login seed", kdf(main, 3, "Main"))
    return main_keys


def take_account(ring: Keyring, wrap: bytes, *, is_new: bool) -> Part:
    """Open the account's wrap with a main key, and remember all keys that follow from it."""
    for main in ring.main_keys:
        try:
            ring.account = account = open_account(main, wrap)
        except ValueError:
            continue
        for name, value in (
            *(("account key", account.key), ("identity", account.identity)),
            *(("account cipher", account.cipher), ("account mac", account.mac)),
            ("types' key", kdf(account.key, 5, "Acct")),
            *((f"key of {info}", hkdf(account.key, info)) for info in INFOS),
        ):
            ring.add_secret(name, value)
        if is_new:
            fresh(ring, "account key", account.key, "random")
            fresh(ring, "identity", account.identity, "random")
        meaning = "the account's keys, by the password"
        return open_sealed(ring, "wrap", wrap, kdf(main, 1, "Main"), meaning)
    return Part("wrap", wrap, "", problem="the password does not decrypt it")


INFOS: Final = ("hening photo 1", "hening message 1", "hening photo record 1")


def account_of(ring: Keyring) -> Account:
    """Return the account's keys; raise ValueError if they are not known yet."""
    if ring.account is None:
        raise ValueError("no account is known")
    return ring.account


def check_signature(signature: bytes, text: bytes, keys: list[bytes]) -> Part:
    """Return a signature, which must have been made by one of these keys."""
    for key in keys:
        try:
            VerifyKey(key).verify(text, signature)
        except BadSignatureError:
            continue
        return Part("signature", signature, "Ed25519")
    return Part("signature", signature, "", problem="none of the owner's keys made it")


def take_collection(
    ring: Keyring, uid: str, wrap: bytes, sealed: bytes, *, is_new: bool
) -> Iterator[Part]:
    """Open a collection's type and keys, and remember them."""
    account = account_of(ring)
    yield open_type(ring, sealed, None)
    part = open_sealed(ring, "collectionKey", wrap, account.cipher, "a type's key", sealed)
    yield part
    keys = tuple(part.plaintext[at : at + 32] for at in range(0, len(part.plaintext), 32))
    if keys:
        name = COLLECTIONS.get(account.open_type(sealed)[0], "")
        ring.collections[uid] = (name, keys)
        ring.add_secret("collection key", keys[0])
        for number, name in ((1, "cipher"), (2, "mac"), (4, "subkey")):
            ring.add_secret(f"collection {name}", kdf(keys[0], number, "Col"))
        if is_new:
            fresh(ring, "collection key", keys[0], "random")


def open_type(ring: Keyring, sealed: bytes, on: frozenset[str] | None) -> Part:
    """Open the name of a type; if `on` is given, the type must be in it."""
    account = account_of(ring)
    try:
        name, is_own = account.open_type(sealed)
    except ValueError:
        return Part("type", sealed, "", problem="the owner's keys do not decrypt it")
    kind = COLLECTIONS.get(name, "")
    problem = "" if is_own else "not the type's one ciphertext"
    if on is not None and kind not in on | INNER:
        problem = f"{kind or name} is off"
    return Part("type", sealed, "which type, the same ciphertext each time", name.encode(), problem)


def learn(ring: Keyring, each: Exchange) -> None:
    """Remember tokens, keys and policies of an answer, which later requests may contain."""
    if each.status < 300:
        for end, take in _ANSWERS:
            if each.request.path.endswith(end):
                take(ring, each)
                return
        if re.fullmatch("/policy/[a-z]+", each.request.path):
            ring.policy = read_note(each.answer)
            text = each.answer.rpartition(b"\n\n")[0] + b"\n"
            ring.policy_hash = hashlib.sha256(text).hexdigest()


def _learn_login(ring: Keyring, each: Exchange) -> None:
    answer = msgpack.decode(each.answer)
    ring.tokens[each.device] = answer["token"]
    if each.request.path.endswith("/login/"):
        take_account(ring, answer["user"]["encryptedContent"], is_new=False)


def _learn_logout(ring: Keyring, each: Exchange) -> None:
    ring.tokens.pop(each.device, None)


def _learn_challenge(ring: Keyring, each: Exchange) -> None:
    answer = msgpack.decode(each.answer)
    ring.challenges.add(answer["challenge"])
    make_main_keys(ring, answer["salt"])


def _learn_program(ring: Keyring, each: Exchange) -> None:
    token = json.loads(each.answer)["token"]
    basic = base64.b64encode(f"{NAME}:{token}".encode()).decode()
    ring.programs.add(f"Basic {basic}")


def _learn_collections(ring: Keyring, each: Exchange) -> None:
    for entry in msgpack.decode(each.answer)["data"]:
        uid, kind = entry["item"]["uid"], entry["collectionType"]
        list(take_collection(ring, uid, entry["collectionKey"], kind, is_new=False))


def _learn_items(ring: Keyring, each: Exchange) -> None:
    ring.etags |= {entry["content"]["uid"] for entry in msgpack.decode(each.answer)["data"]}


_ANSWERS: Final = (
    ("/signup/", _learn_login),
    ("/login/", _learn_login),
    ("/logout/", _learn_logout),
    ("/login_challenge/", _learn_challenge),
    ("/app-tokens", _learn_program),
    ("/list_multi/", _learn_collections),
    ("/item/", _learn_items),
)


def to_bytes(value: str | bytes) -> bytes:
    """Return bytes unchanged, and decode the base64 text of JSON."""
    return value if isinstance(value, bytes) else base64.b64decode(value)
