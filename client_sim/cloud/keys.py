"""Key derivation and encryption (FORMATS section 17, `Keys of owners`).

Every nonce consists of 24 fresh random bytes, drawn only here. There is no counter that a crash, a
restored phone or a second device could reset.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    crypto_scalarmult_base,
)
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.signing import SigningKey

from client_sim.cloud.errors import DeceivedError, SealError

Entropy = Callable[[int], bytes]
"""Returns the given number of fresh random bytes."""
DeriveMain = Callable[[bytes, bytes], bytes]
"""Derives the main key from a password and a salt; tests pass a cheap function."""

NONCE: Final = 24
TAG: Final = 16
SALT: Final = 32
_PASSES: Final = 4
_MEMORY: Final = 256 * 1024 * 1024  # bytes
_TYPE_BLOCK: Final = 32


def kdf(key: bytes, number: int, context: str) -> bytes:
    """Return subkey `number` (32 bytes) of `key` in `context`, at most 8 characters."""
    person = context.ljust(8).encode().ljust(16, b"\0")
    salt = number.to_bytes(8, "little").ljust(16, b"\0")
    return hashlib.blake2b(b"", digest_size=32, key=key, salt=salt, person=person).digest()


def hkdf(key: bytes, info: str) -> bytes:
    """Return 32 bytes: HKDF-SHA-256 of `key` without a salt."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info.encode()).derive(key)


def derive_main(password: bytes, salt: bytes) -> bytes:
    """Return the main key: Argon2id over the first 16 bytes of the salt; about 0.8 CPU seconds."""
    return argon2id.kdf(32, password, salt[:16], opslimit=_PASSES, memlimit=_MEMORY)


def seal(key: bytes, message: bytes, entropy: Entropy, bound: bytes | None = None) -> bytes:
    """Encrypt `message`; return nonce, ciphertext and tag. `bound` is associated data."""
    return seal_under(key, message, entropy(NONCE), bound)


def seal_under(key: bytes, message: bytes, nonce: bytes, bound: bytes | None = None) -> bytes:
    """Encrypt with a given nonce; only for the names of collection types."""
    return nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(message, bound, nonce, key)


def unseal(key: bytes, data: bytes, bound: bytes | None = None) -> bytes:
    """Decrypt the result of `seal`; raises SealError for another key or changed bytes."""
    if len(data) < NONCE + TAG:
        raise SealError("A ciphertext is shorter than its nonce and tag.")
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(data[NONCE:], bound, data[:NONCE], key)
    except CryptoError:
        raise SealError("A ciphertext was made with another key, or was changed.") from None


@dataclass(frozen=True, slots=True)
class Keys:
    """Two subkeys of one key, to encrypt and to hash, in a context: `Acct`, `Col` or `ColItem`."""

    cipher: bytes
    mac: bytes

    @classmethod
    def derive(cls, key: bytes, context: str) -> Self:
        """Derive both subkeys of `key`."""
        return cls(kdf(key, 1, context), kdf(key, 2, context))

    def hash(self, data: bytes) -> bytes:
        """Return the keyed BLAKE2b-256 of `data`."""
        return hashlib.blake2b(data, digest_size=32, key=self.mac).digest()


@dataclass(frozen=True, slots=True)
class AccountKeys:
    """The account's key and its X25519 identity, 32 bytes each."""

    key: bytes
    identity: bytes

    @property
    def public_key(self) -> bytes:
        """The public key of the identity."""
        return crypto_scalarmult_base(self.identity)

    @property
    def keys(self) -> Keys:
        """The subkeys that encrypt the account's own fields."""
        return Keys.derive(self.key, "Acct")

    def wrap(self, cipher: bytes, entropy: Entropy) -> bytes:
        """Encrypt key and identity with `cipher`."""
        return seal(cipher, self.key + self.identity, entropy)

    def type_of(self, name: str) -> bytes:
        """Encrypt the name of a collection type; the same name gives the same ciphertext."""
        keys = self.keys
        # Padding by ISO 7816-4: a byte 0x80, then zeros.
        text = name.encode() + b"\x80"
        padded = text.ljust(-(-len(text) // _TYPE_BLOCK) * _TYPE_BLOCK, b"\0")
        return seal_under(kdf(self.key, 5, "Acct"), padded, keys.hash(padded)[:NONCE])

    def open_type(self, sealed: bytes) -> str:
        """Decrypt the name of a collection type; raises SealError."""
        padded = unseal(kdf(self.key, 5, "Acct"), sealed).rstrip(b"\0")
        return padded.removesuffix(b"\x80").decode("utf-8", "replace")


def make_account_keys(entropy: Entropy) -> AccountKeys:
    """Return random keys for an account."""
    return AccountKeys(entropy(32), entropy(32))


def unwrap_account(cipher: bytes, wrap: bytes, public_key: bytes) -> AccountKeys:
    """Decrypt an account's keys.

    Raises SealError if `cipher` is wrong, DeceivedError if they do not match `public_key`.
    """
    opened = unseal(cipher, wrap)
    if len(opened) != 64:
        raise DeceivedError("The server gave account keys of another form; nothing was used.")
    account = AccountKeys(opened[:32], opened[32:])
    if account.public_key != public_key:
        raise DeceivedError("The server states a public key that is not yours; nothing was sent.")
    return account


def main_cipher(main: bytes) -> bytes:
    """Return the key that wraps the account's keys."""
    return kdf(main, 1, "Main")


def login_key(main: bytes) -> SigningKey:
    """Return the key that signs logins."""
    return SigningKey(kdf(main, 3, "Main"))
