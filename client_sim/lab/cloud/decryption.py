"""Decryption of an owner's ciphertexts, independent of the phone's code.

A phone that derives a key wrongly can still decrypt its own ciphertexts. This module is therefore
written from FORMATS section 17 and the age specification (age-encryption.org/v1), and uses another
library than the phone if there is one. All functions raise ValueError for input that does not
decrypt.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from nacl.bindings import (
    crypto_aead_chacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_generichash_blake2b_salt_personal,
)
from nacl.exceptions import CryptoError

NONCE: Final = 24
TAG: Final = 16
META_STEP: Final = 256
_KIB: Final = 1024
_SMALL: Final = 16 * _KIB
_TYPE_STEP: Final = 32
_AGE_CHUNK: Final = 64 * _KIB + TAG
_AGE_NONCE: Final = 16
_AGE_HEADER: Final = re.compile(
    rb"(age-encryption\.org/v1\n-> X25519 ([\w+/]{43})\n([\w+/]{43})\n---) ([\w+/]{43})\n"
)
_BECH32: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_SUM: Final = 6  # characters
_SECRET: Final = 32


def kdf(key: bytes, number: int, context: str) -> bytes:
    """Return subkey `number` of a key in a context."""
    person = context.ljust(8).encode()
    salt = number.to_bytes(8, "little")
    return crypto_generichash_blake2b_salt_personal(b"", 32, key, salt, person)


def hash_keyed(key: bytes, data: bytes, size: int = 32, person: bytes = b"") -> bytes:
    """Return the keyed BLAKE2b hash of `data`."""
    return crypto_generichash_blake2b_salt_personal(data, size, key, person=person)


def hkdf(key: bytes, info: str, salt: bytes = b"") -> bytes:
    """Return 32 bytes, which are one block, of HKDF-SHA-256 (RFC 5869)."""
    drawn = hmac.digest(salt, key, "sha256")
    return hmac.digest(drawn, info.encode() + b"\1", "sha256")


def unseal(key: bytes, data: bytes, bound: bytes | None = None) -> bytes:
    """Decrypt a nonce, ciphertext and tag with XChaCha20-Poly1305."""
    if len(data) < NONCE + TAG:
        raise ValueError("shorter than nonce and tag")
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(data[NONCE:], bound, data[:NONCE], key)
    except CryptoError as error:
        raise ValueError("it was made with another key, or changed") from error


@dataclass(frozen=True, slots=True)
class Account:
    """An account's key and its X25519 identity."""

    key: bytes
    identity: bytes

    @property
    def public_key(self) -> bytes:
        """The public half of the identity."""
        return find_public(self.identity)

    @property
    def cipher(self) -> bytes:
        """The key that encrypts the account's own fields."""
        return kdf(self.key, 1, "Acct")

    @property
    def mac(self) -> bytes:
        """The key of keyed hashes."""
        return kdf(self.key, 2, "Acct")

    def open_type(self, sealed: bytes) -> tuple[str, bool]:
        """Return the name of a collection's type, and whether its nonce is the one of the name."""
        padded = unseal(kdf(self.key, 5, "Acct"), sealed)
        name = unpad(padded)
        is_whole = len(padded) == -(-(len(name) + 1) // _TYPE_STEP) * _TYPE_STEP
        is_own = sealed[:NONCE] == hash_keyed(self.mac, padded)[:NONCE]
        return name.decode(), is_whole and is_own


def open_account(main: bytes, wrap: bytes) -> Account:
    """Decrypt an account's keys with a main key."""
    opened = unseal(kdf(main, 1, "Main"), wrap)
    if len(opened) != 2 * _SECRET:
        raise ValueError("not two keys")
    return Account(opened[:_SECRET], opened[_SECRET:])


def derive_item(collection: bytes, uid: str) -> tuple[bytes, bytes]:
    """Return an item's encryption key and its hash key."""
    key = hash_keyed(uid.encode(), kdf(collection, 4, "Col"))  # the uid is the key
    return kdf(key, 1, "ColItem"), kdf(key, 2, "ColItem")


def find_public(secret: bytes) -> bytes:
    """Return the public half of an X25519 key."""
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def decode_uid(text: str) -> bytes:
    """Return the bytes of URL-safe base64 without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def encode_uid(data: bytes) -> str:
    """Return URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unpad(data: bytes) -> bytes:
    """Remove the padding: a byte 0x80 and the zeros after it."""
    content, mark, zeros = data.rpartition(b"\x80")
    if not mark or zeros.strip(b"\0"):
        raise ValueError("no padding")
    return content


def find_padme(length: int) -> int:
    """Return the length to which Padmé pads `length` bytes."""
    exponent = length.bit_length() - 1
    step = 1 << (exponent - exponent.bit_length())
    return -(-length // step) * step


def find_padded(length: int) -> int:
    """Return the length of a chunk's content of `length` bytes including its padding."""
    step = _KIB if length < _SMALL else find_padme(length)
    return (length // step + 1) * step


def open_age(file: bytes, secret: bytes) -> tuple[bytes, tuple[bytes, bytes, bytes]]:
    """Decrypt an age file with one X25519 recipient.

    Also returns its writer's choices: file key, nonce, public share.
    """
    found = _AGE_HEADER.match(file)
    if found is None:
        raise ValueError("not an age file for one recipient")
    share, body, mac = (base64.b64decode(found[number] + b"=") for number in (2, 3, 4))
    shared = X25519PrivateKey.from_private_bytes(secret).exchange(
        X25519PublicKey.from_public_bytes(share)
    )
    wrap = hkdf(shared, "age-encryption.org/v1/X25519", share + find_public(secret))
    file_key = _open_age(wrap, bytes(12), body)
    if hmac.digest(hkdf(file_key, "header"), found[1], "sha256") != mac:
        raise ValueError("the header was changed")
    nonce = file[found.end() : found.end() + _AGE_NONCE]
    key, payload = hkdf(file_key, "payload", nonce), file[found.end() + _AGE_NONCE :]
    starts = range(0, max(len(payload), 1), _AGE_CHUNK)
    chunks = [
        _open_age(key, number.to_bytes(11, "big") + bytes([start == starts[-1]]), chunk)
        for number, start in enumerate(starts)
        for chunk in (payload[start : start + _AGE_CHUNK],)
    ]
    return b"".join(chunks), (file_key, nonce, share)


def _open_age(key: bytes, nonce: bytes, data: bytes) -> bytes:
    if len(data) < TAG:
        raise ValueError("it is truncated")
    try:
        return crypto_aead_chacha20poly1305_ietf_decrypt(data, None, nonce, key)
    except CryptoError as error:
        raise ValueError("it was made with another key, or changed") from error


def derive_age(account: bytes, recipient: bytes, plain: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the file key, nonce and share of a piece, which are deterministic in an account."""
    key = hkdf(account, "hening photo 1")
    content = recipient + hashlib.sha256(plain).digest()
    drawn = hash_keyed(key, content, 64, b"hening age")
    return drawn[:16], drawn[16:32], find_public(drawn[32:])


def read_age_secret(text: str) -> bytes:
    """Return the key of `AGE-SECRET-KEY-1…`, without verifying its checksum."""
    prefix, _, data = text.lower().rpartition("1")
    if prefix != "age-secret-key-":
        raise ValueError("not a secret key of age")
    number = 0
    for letter in data[:-_BECH32_SUM]:
        number = number << 5 | _BECH32.index(letter)
    return (number >> 5 * (len(data) - _BECH32_SUM) - 8 * _SECRET).to_bytes(_SECRET, "big")
