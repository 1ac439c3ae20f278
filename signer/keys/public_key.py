"""Public halves of signing keys, in small files next to the private ones.

`NAME.pub` is canonical JSON (docs/FORMATS.md section 1): `{"keyid":H,"public":HEX,"schema":1}`,
with `"holder"` if the holder of the private half is known. A name is `ROLE-N`: the role that the
key signs, and a number.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from securesystemslib.signer import SSlibKey

from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.profile import check_point
from signer.errors import KeyStoreError, refusing
from signer.keys.key_name import check_holder, check_key_name

MAX_PUBLIC_FILE = 1024


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of an offline key: its name and 64 lower-case hex digits.

    `holder` names the person who keeps the private half in 1 to 40 characters, and is empty if
    unknown. It never leaves the engineers' own folders, because metadata is public and names no
    person.
    """

    name: str
    public: str
    holder: str = ""

    @property
    def role(self) -> str:
        """The role that this key signs, from its name."""
        return self.name.rpartition("-")[0]

    @property
    def label(self) -> str:
        """The label of the key for people: its name, and its holder if known."""
        return f"{self.name} ({self.holder})" if self.holder else self.name

    @property
    def number(self) -> int:
        """The number in the name, by which a role's keys are ordered."""
        return int(self.name.rpartition("-")[2])

    @property
    def keyid(self) -> str:
        """The TUF key id: sha256 of the canonical key."""
        return self.tuf_key.keyid

    @property
    def tuf_key(self) -> SSlibKey:
        """The key as TUF metadata holds it."""
        return make_tuf_key(self.public)


def group_key_id(keyid: str, digits: int = 32) -> str:
    """Return the first `digits` of a key id in groups of four, for people to read aloud."""
    return " ".join(keyid[start : start + 4] for start in range(0, digits, 4))


def make_tuf_key(public: str) -> SSlibKey:
    """Return the TUF key of 64 hex digits after the enrolment check of FORMATS.md section 2.

    Raises ProfileError for a point that is not canonical or of small order.
    """
    check_point(public)
    return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)))


def encode_public_key(key: PublicKey) -> bytes:
    """Return the bytes of `NAME.pub`."""
    value = {"keyid": key.keyid, "public": key.public, "schema": 1}
    check_holder(key.holder)
    if key.holder:
        value["holder"] = key.holder
    return encode_canonical_json(value)


def decode_public_key(name: str, data: bytes) -> PublicKey:
    """Decode `NAME.pub`; refuses a malformed file, a wrong key id and an invalid point."""
    check_key_name(name)
    with refusing(KeyStoreError):
        value: Any = decode_canonical_json(data, limit=MAX_PUBLIC_FILE)
        if (
            not isinstance(value, dict)
            or set(value) - {"holder"} != {"keyid", "public", "schema"}
            or type(value["schema"]) is not int  # `true` equals 1
            or value["schema"] != 1
            or not isinstance(value["public"], str)
            or not isinstance(value.get("holder", ""), str)
            or value.get("holder") == ""  # an empty holder is written by omitting it
        ):
            raise KeyStoreError(f"{name}.pub is not a public key file of schema 1.")
        key = PublicKey(name, value["public"], value.get("holder", ""))
        check_holder(key.holder)
        check_point(key.public)
        if value["keyid"] != key.keyid:
            raise KeyStoreError(f"{name}.pub gives a key id that is not the hash of its key.")
    return key


def check_distinct(keys: list[PublicKey]) -> None:
    """Raise KeyStoreError when one public key has two names."""
    seen: dict[str, str] = {}
    for key in keys:
        other = seen.setdefault(key.public, key.name)
        if other != key.name:
            raise KeyStoreError(
                f"{key.name} and {other} are one key under two names; make a new key for one."
            )


MAX_FOREIGN_KEY = 8192  # fits keys of other types, so that the error can name the type
Format = Literal["pub", "pem", "tuf"]

_PEM_BEGIN = b"-----BEGIN "
_PEM_PUBLIC = b"-----BEGIN PUBLIC KEY-----"


def encode_as(key: PublicKey, form: Format) -> bytes:
    """Return a public half as `NAME.pub`, as PEM or as a TUF key object; only `pub` has the holder.

    A TUF key object has no `keyid` member: the id is the hash of the object.
    """
    match form:
        case "pub":
            return encode_public_key(key)
        case "pem":
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public))
            return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        case "tuf":
            return encode_canonical_json(
                {"keytype": "ed25519", "keyval": {"public": key.public}, "scheme": "ed25519"}
            )


def decode_any(name: str, data: bytes) -> PublicKey:
    """Read a public half in any of the three forms, under its new name.

    Refuses keys other than ed25519, a key id that is not the hash of its key, invalid points,
    private keys, and trailing data.
    """
    check_key_name(name)
    if len(data) > MAX_FOREIGN_KEY:
        raise KeyStoreError(
            f"The file for {name} has more than {MAX_FOREIGN_KEY} bytes; give one public key."
        )
    if data.lstrip().startswith(_PEM_BEGIN):
        return _checked(PublicKey(name, _decode_pem(name, data)))
    try:
        value = json.loads(data, object_pairs_hook=_refuse_repeats)
    except (ValueError, RecursionError) as error:
        raise _no_key(name) from error
    match value:
        case {"keyval": _}:
            return _decode_tuf(name, value)
        case {"public": _}:
            return decode_public_key(name, data)
        case _:
            raise _no_key(name)


def _checked(key: PublicKey) -> PublicKey:
    with refusing(KeyStoreError):
        make_tuf_key(key.public)
    return key


def _decode_pem(name: str, data: bytes) -> str:
    text = data.replace(b"\r\n", b"\n").strip()
    if not text.startswith(_PEM_PUBLIC):
        raise KeyStoreError(
            f"The PEM file for {name} is not a public key; make one with"
            " `openssl pkey -in KEY -pubout`, and share only that."
        )
    try:
        key = load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyStoreError(
            f"The PEM file for {name} cannot be read; write it again with"
            " `openssl pkey -in KEY -pubout`."
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyStoreError(
            f"The key for {name} is not an ed25519 key, and no other kind may sign."
        )
    # Only one PEM is accepted for a key, so that nothing is hidden after it or in white space.
    if key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).strip() != text:
        raise KeyStoreError(f"The PEM file for {name} holds more than one public key; give one.")
    return key.public_bytes_raw().hex()


def _no_key(name: str) -> KeyStoreError:
    return KeyStoreError(
        f"The file for {name} is not a public key; give NAME.pub, PEM or a TUF key object."
    )


def _decode_tuf(name: str, value: dict[str, Any]) -> PublicKey:
    kinds = (value.get("keytype"), value.get("scheme"))
    if kinds != ("ed25519", "ed25519"):
        raise KeyStoreError(
            f"The key for {name} is of the kind {str(kinds[0])[:32]!r} with the scheme"
            f" {str(kinds[1])[:32]!r}; only ed25519 may sign."
        )
    keyval = value["keyval"]
    if (
        set(value) - {"keyid"} != {"keytype", "keyval", "scheme"}
        or not isinstance(keyval, dict)
        or set(keyval) != {"public"}
        or not isinstance(keyval["public"], str)
    ):
        raise KeyStoreError(
            f"The TUF key for {name} has other members than keytype, keyval with public, scheme and"
            " keyid; give the public key alone."
        )
    key = _checked(PublicKey(name, keyval["public"]))
    if value.get("keyid", key.keyid) != key.keyid:
        raise KeyStoreError(f"The TUF key for {name} has a key id that is not the hash of its key.")
    return key


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a member is given twice")
    return value
