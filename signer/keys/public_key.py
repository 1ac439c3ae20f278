"""Public halves of signing keys, the small files beside the private ones.

`NAME.pub` is canonical JSON (docs/FORMATS.md section 1): `{"keyid":H,"public":HEX,"schema":1}`,
with `"holder"` where it is known who keeps the private half. A name is `ROLE-N`: the role that the
key signs, and a number.
"""

from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.signer import SSlibKey

from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.profile import check_point
from signer.errors import KeyStoreError, refusing
from signer.keys.key_name import check_holder, check_key_name

MAX_PUBLIC_FILE = 1024


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of an offline key: its name and 64 lower-case hex digits.

    `holder` says in 1 to 40 characters who keeps the private half, and is empty where that is not
    known. It never leaves the engineers' own folders: metadata is public, and names nobody.
    """

    name: str
    public: str
    holder: str = ""

    @property
    def role(self) -> str:
        """The role that the name says this key signs."""
        return self.name.rpartition("-")[0]

    @property
    def label(self) -> str:
        """What to call the key in front of people: its name, and its holder where known."""
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
    """Return the first digits of a key id in groups of four, as people read them to each other."""
    return " ".join(keyid[start : start + 4] for start in range(0, digits, 4))


def make_tuf_key(public: str) -> SSlibKey:
    """Return the TUF key of 64 hex digits after the enrolment check of FORMATS.md section 2.

    Raises ProfileError for a point that is not canonical or of small order.
    """
    check_point(public)
    return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)))


def encode_public_key(key: PublicKey) -> bytes:
    """Return the octets of `NAME.pub`."""
    value = {"keyid": key.keyid, "public": key.public, "schema": 1}
    check_holder(key.holder)
    if key.holder:
        value["holder"] = key.holder
    return encode_canonical_json(value)


def decode_public_key(name: str, data: bytes) -> PublicKey:
    """Read `NAME.pub`; refuse a malformed file, a wrong key id and a point that is not sound."""
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
            or value.get("holder") == ""  # which is written by leaving it out
        ):
            raise KeyStoreError(f"{name}.pub is not a public key file of schema 1.")
        key = PublicKey(name, value["public"], value.get("holder", ""))
        check_holder(key.holder)
        check_point(key.public)
        if value["keyid"] != key.keyid:
            raise KeyStoreError(f"{name}.pub gives a key id that is not the hash of its key.")
    return key


def check_distinct(keys: list[PublicKey]) -> None:
    """Raise KeyStoreError when one public key stands under two names."""
    seen: dict[str, str] = {}
    for key in keys:
        other = seen.setdefault(key.public, key.name)
        if other != key.name:
            raise KeyStoreError(
                f"{key.name} and {other} are one key under two names; make a new key for one."
            )
