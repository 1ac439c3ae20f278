"""Private key files (Ed25519, PKCS #8, encrypted PEM), token files, and safe ways to read them."""

import base64
import os
import re
import stat
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from server.core.encodings import decode_canonical_json, encode_canonical_json
from signer.errors import KeyStoreError, refusing

MIN_PASSPHRASE, MAX_PASSPHRASE = 8, 1023
# 16 MiB and about 50 ms for each guess: the default of openssl, and the most that it reads without
# options.
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 1

_BEGIN, _END = "-----BEGIN ENCRYPTED PRIVATE KEY-----", "-----END ENCRYPTED PRIVATE KEY-----"
_PBES2 = bytes.fromhex("2a864886f70d01050d")
_SCRYPT = bytes.fromhex("2b06010401da47040b")
_AES_256_CBC = bytes.fromhex("60864801650304012a")
_INTEGER, _BYTES, _OID, _SEQUENCE = 0x02, 0x04, 0x06, 0x30


def encode_key_file(
    key: Ed25519PrivateKey, passphrase: bytes, entropy: Callable[[int], bytes]
) -> bytes:
    """Return the PEM file of `key`; `entropy(n)` returns n fresh random bytes.

    Raises KeyStoreError unless the passphrase has 8 to 1,023 bytes.
    """
    check_passphrase(passphrase)
    salt, vector = entropy(16), entropy(16)
    secret = Scrypt(salt=salt, length=32, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P).derive(passphrase)
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(secret), modes.CBC(vector)).encryptor()
    hidden = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    stretching = _der(
        _SEQUENCE,
        _der(_OID, _SCRYPT),
        _der(
            _SEQUENCE,
            _der(_BYTES, salt),
            *(_der_integer(number) for number in (SCRYPT_N, SCRYPT_R, SCRYPT_P, 32)),
        ),
    )
    cipher = _der(_SEQUENCE, _der(_OID, _AES_256_CBC), _der(_BYTES, vector))
    scheme = _der(_SEQUENCE, _der(_OID, _PBES2), _der(_SEQUENCE, stretching, cipher))
    body = base64.b64encode(_der(_SEQUENCE, scheme, _der(_BYTES, hidden))).decode()
    return "\n".join([_BEGIN, *textwrap.wrap(body, 64), _END, ""]).encode()


def decode_key_file(name: str, pem: bytes, passphrase: bytes) -> Ed25519PrivateKey:
    """Return the key in an encrypted PEM file.

    Any encryption that cryptography supports is accepted, so that keys of other tools can be used.
    Raises KeyStoreError for a file without encryption, another key type or a wrong passphrase.
    """
    check_passphrase(passphrase)
    try:
        key = load_pem_private_key(pem, passphrase)
    except TypeError as error:
        raise KeyStoreError(
            f"The key file of {name} is not encrypted: treat the key as lost and make a new one."
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyStoreError(
            f"The key {name} cannot be opened: the passphrase is wrong or the file is damaged."
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyStoreError(f"The key {name} is not an ed25519 key, and no other kind may sign.")
    return key


def check_passphrase(passphrase: bytes) -> None:
    """Raise KeyStoreError unless the passphrase has 8 to 1,023 bytes."""
    if not MIN_PASSPHRASE <= len(passphrase) <= MAX_PASSPHRASE:
        raise KeyStoreError(
            f"The passphrase has {len(passphrase)} bytes; give one of"
            f" {MIN_PASSPHRASE} to {MAX_PASSPHRASE}."
        )


def _der_integer(number: int) -> bytes:
    return _der(_INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _der(tag: int, *parts: bytes) -> bytes:
    """Return one DER element of at most 255 bytes of content."""
    body = b"".join(parts)
    length = [len(body)] if len(body) < 128 else [0x81, len(body)]
    return bytes([tag, *length]) + body


MAX_TOKEN_FILE = 8192
MAX_MODULE = 1024
MAX_LABEL = 32  # bytes; PKCS #11 pads every label to this length
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
    """Raise KeyStoreError unless the module path, the token's label and the id are well-formed."""
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
            f" shows it, at most {MAX_LABEL} bytes."
        )
    if _ID.fullmatch(key.id) is None:
        raise KeyStoreError(
            f"{key.id[:64]!r} is not the id of a key on a token; give 1 to 64 bytes in"
            " lower-case hex, for example 01."
        )


def encode_token_file(key: TokenKey) -> bytes:
    """Return the bytes of `NAME.token`."""
    check_token_key(key)
    return encode_canonical_json(
        {"id": key.id, "module": key.module, "schema": 1, "token": key.label}
    )


def decode_token_file(name: str, data: bytes) -> TokenKey:
    """Read `NAME.token`; raises KeyStoreError unless `encode_token_file` writes this form."""
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


SECRET = 0o077
"""The mode bits that a file with a secret must not have."""
TRUSTED = 0o022
"""The mode bits that a file must not have if others may read but not change it."""


def load_narrow(path: Path, label: str, forbidden: int, limit: int) -> bytes:
    """Return at most `limit` bytes of a regular file, whose mode must have no `forbidden` bits.

    The owner must be this user or root. Raises KeyStoreError, whose message calls the file `label`.
    A symbolic link is refused, because its target may change between check and use.
    """
    if path.is_symlink():
        raise KeyStoreError(f"{label} is a symbolic link; put the file itself there.")
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        # Checked on the open file, so that the checked file is the one that is read.
        status = os.fstat(descriptor)
        mode = status.st_mode
        if not stat.S_ISREG(mode):
            raise KeyStoreError(f"{label} is not a regular file.")
        _check_owner(path, label, status)
        if mode & forbidden:
            verb, narrow = ("read", "600") if forbidden & 0o044 else ("change", "644")
            raise KeyStoreError(
                f"Others may {verb} {label[:1].lower()}{label[1:]} (mode {stat.S_IMODE(mode):04o});"
                f" run `chmod {narrow} {path}`, and make a new key if others may have done so."
            )
        return file.read(limit)


def check_unchangeable(path: Path, label: str) -> None:
    """Raise KeyStoreError when others may change the file at `path`, or put another in its place.

    The file and its folder are checked, and also those that a symbolic link leads to. Raises
    OSError when `path` does not exist.
    """
    for place in dict.fromkeys((path, path.resolve())):
        _check_place(place, label)
        _check_place(place.parent, f"The folder of {label[:1].lower()}{label[1:]}")


def _check_place(path: Path, label: str) -> None:
    status = path.stat()
    _check_owner(path, label, status)
    # In a sticky folder, such as /tmp, users cannot replace the files of others.
    if status.st_mode & TRUSTED and not (
        stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    ):
        raise KeyStoreError(
            f"Others may change {label[:1].lower()}{label[1:]} (mode"
            f" {stat.S_IMODE(status.st_mode):04o}); run `chmod go-w {path}`, after you have made"
            " sure that it is what it should be."
        )


def _check_owner(path: Path, label: str, status: os.stat_result) -> None:
    if status.st_uid not in {os.geteuid(), 0}:
        raise KeyStoreError(
            f"{label} belongs to another user (uid {status.st_uid}), who may change it; check it,"
            f" and if it is yours run `chown {os.geteuid()} {path}`."
        )
