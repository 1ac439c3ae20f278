"""Token files: where a private half lies that is not in the key folder.

`NAME.token`, beside `NAME.pub`, is canonical JSON (docs/FORMATS.md section 1):
`{"id":HEX,"module":PATH,"schema":1,"token":LABEL}`. It holds no secret, but it names a library that
signing runs, so it must be as hard to change as the key folder.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from server.core.encodings import decode_canonical_json, encode_canonical_json
from signer.errors import KeyStoreError, refusing

MAX_TOKEN_FILE = 8192
MAX_MODULE = 1024
MAX_LABEL = 32  # octets; PKCS #11 pads every label to so many
_ID = re.compile(r"(?:[0-9a-f]{2}){1,64}")


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key pair on a PKCS #11 token.

    `module` is the absolute path of the token's library, `label` the token's label, and `id` the
    CKA_ID of both halves in lower-case hex.
    """

    module: str
    label: str
    id: str


def check_token_key(key: TokenKey) -> None:
    """Raise KeyStoreError unless the module path, the token's label and the id can be such."""
    module = key.module
    if (
        not PurePosixPath(module).is_absolute()
        or len(module) > MAX_MODULE
        or not module.isprintable()
    ):
        raise KeyStoreError(
            f"{module[:200]!r} is not the absolute path of a PKCS #11 module; give one like"
            " /usr/lib/softhsm/libsofthsm2.so."
        )
    label = key.label
    if (
        not label.isprintable()
        or not 1 <= len(label.encode()) <= MAX_LABEL
        or label != label.strip()
    ):
        raise KeyStoreError(
            f"{label[:64]!r} is not a token's label; give the label as the token's own tool"
            f" shows it, at most {MAX_LABEL} octets."
        )
    if _ID.fullmatch(key.id) is None:
        raise KeyStoreError(
            f"{key.id[:64]!r} is not the id of a key on a token; give 1 to 64 octets in"
            " lower-case hex, for example 01."
        )


def encode_token_file(key: TokenKey) -> bytes:
    """Return the octets of `NAME.token`."""
    check_token_key(key)
    return encode_canonical_json(
        {"id": key.id, "module": key.module, "schema": 1, "token": key.label}
    )


def decode_token_file(name: str, data: bytes) -> TokenKey:
    """Read `NAME.token`; KeyStoreError for everything that `encode_token_file` does not write."""
    with refusing(KeyStoreError):
        value: Any = decode_canonical_json(data, limit=MAX_TOKEN_FILE)
    if (
        not isinstance(value, dict)
        or set(value) != {"id", "module", "schema", "token"}
        or type(value["schema"]) is not int  # `true` equals 1
        or value["schema"] != 1
        or not all(isinstance(value[member], str) for member in ("id", "module", "token"))
    ):
        raise KeyStoreError(f"{name}.token is not a token file of schema 1.")
    key = TokenKey(value["module"], value["token"], value["id"])
    check_token_key(key)
    return key
