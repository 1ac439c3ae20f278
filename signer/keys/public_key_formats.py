"""Public keys as other tools write them: SubjectPublicKeyInfo in PEM, and TUF key objects.

PEM is what `openssl pkey -pubout` gives (RFC 8410); a TUF key object is what metadata holds in
`keys` (TUF section 4.2). Both are read leniently as to white space and strictly in all else.
"""

import json
from typing import Any, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from server.core.encodings import encode_canonical_json
from signer.errors import KeyStoreError, refusing
from signer.keys.key_name import check_key_name
from signer.keys.public_key import PublicKey, decode_public_key, encode_public_key, make_tuf_key

MAX_FOREIGN_KEY = 8192  # a public key of another kind, which is refused by its kind, may be as long
Format = Literal["pub", "pem", "tuf"]

_PEM_BEGIN = b"-----BEGIN "
_PEM_PUBLIC = b"-----BEGIN PUBLIC KEY-----"


def encode_as(key: PublicKey, form: Format) -> bytes:
    """Return a public half as `NAME.pub`, as PEM or as a TUF key object; only `pub` has its holder.

    A TUF key object has no `keyid` member: the id is the hash of what is written here.
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
    """Read a public half in any of the three forms, under the name that it shall have.

    Refuses keys other than ed25519, a key id that is not the hash of its key, points that are not
    sound, private keys, and anything behind the key.
    """
    check_key_name(name)
    if len(data) > MAX_FOREIGN_KEY:
        raise KeyStoreError(
            f"The file for {name} has more than {MAX_FOREIGN_KEY} octets; give one public key."
        )
    if data.lstrip().startswith(_PEM_BEGIN):
        return _checked(PublicKey(name, _decode_pem(name, data)))
    value = _decode_json(name, data)
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
            " `openssl pkey -in KEY -pubout`, and give away nothing but that."
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
    # One key has one PEM, so that nothing can hide behind it or in its white space.
    if key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).strip() != text:
        raise KeyStoreError(f"The PEM file for {name} holds more than one public key; give one.")
    return key.public_bytes_raw().hex()


def _decode_json(name: str, data: bytes) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(data, object_pairs_hook=_refuse_repeats)
    except (ValueError, RecursionError) as error:
        raise _no_key(name) from error


def _no_key(name: str) -> KeyStoreError:
    return KeyStoreError(
        f"The file for {name} is no public key; give NAME.pub, PEM or a TUF key object."
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
