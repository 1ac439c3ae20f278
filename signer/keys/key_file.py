"""Private key files: Ed25519 in PKCS #8, encrypted under a passphrase, in PEM.

The encryption is PBES2 with scrypt and AES-256-CBC (RFC 8018, RFC 7914), which `openssl pkey`
reads. cryptography's own writer is not used: it stretches the passphrase with 2,048 rounds of
PBKDF2 only, which a graphics card undoes for any passphrase that a person remembers.
"""

import base64
import textwrap
from collections.abc import Callable

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

from signer.errors import KeyStoreError

MIN_PASSPHRASE, MAX_PASSPHRASE = 8, 1023
# 16 MiB and about 50 ms for each guess: openssl's own choice, and the most that it reads unasked.
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 1

_BEGIN, _END = "-----BEGIN ENCRYPTED PRIVATE KEY-----", "-----END ENCRYPTED PRIVATE KEY-----"
_PBES2 = bytes.fromhex("2a864886f70d01050d")
_SCRYPT = bytes.fromhex("2b06010401da47040b")
_AES_256_CBC = bytes.fromhex("60864801650304012a")
_INTEGER, _OCTETS, _OID, _SEQUENCE = 0x02, 0x04, 0x06, 0x30


def encode_key_file(
    key: Ed25519PrivateKey, passphrase: bytes, entropy: Callable[[int], bytes]
) -> bytes:
    """Return the PEM file of `key`; `entropy(n)` gives n fresh random octets.

    Raises KeyStoreError unless the passphrase has 8 to 1,023 octets.
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
            _der(_OCTETS, salt),
            *(_der_integer(number) for number in (SCRYPT_N, SCRYPT_R, SCRYPT_P, 32)),
        ),
    )
    cipher = _der(_SEQUENCE, _der(_OID, _AES_256_CBC), _der(_OCTETS, vector))
    scheme = _der(_SEQUENCE, _der(_OID, _PBES2), _der(_SEQUENCE, stretching, cipher))
    body = base64.b64encode(_der(_SEQUENCE, scheme, _der(_OCTETS, hidden))).decode()
    return "\n".join([_BEGIN, *textwrap.wrap(body, 64), _END, ""]).encode()


def decode_key_file(name: str, pem: bytes, passphrase: bytes) -> Ed25519PrivateKey:
    """Return the key in an encrypted PEM file.

    Any encryption that cryptography reads will do, so that keys of other tools can be used; a file
    without encryption, of another key type or under another passphrase is a KeyStoreError.
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
    """Return one DER element; nothing here is longer than 255 octets."""
    body = b"".join(parts)
    length = [len(body)] if len(body) < 128 else [0x81, len(body)]
    return bytes([tag, *length]) + body
