"""Encryption and hashing with the pepper: a stolen database alone reveals no names or salts.

The pepper is 32 random bytes, stored outside the database and its backups. Each purpose has its own
key, HKDF-SHA-256(pepper, info = purpose). Sealed values are

    12 bytes nonce ∥ AES-256-GCM(value, associated data = PLACE)

where PLACE names region, table, row and column, so a value cannot be moved to another place.
A name's hash cannot be recomputed without the name, so after a rotation the new pepper hashes the
old hash.
Source: docs/FORMATS.md section 17.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.signing import SigningKey

from server.core.cloud_policy import receipt_key_name
from server.core.errors import FormatError, TrustError
from server.core.note import VerifierKey

PEPPER_BYTES = 32
_NONCE = 12
_MARK = 8
_SEAL, _NAME, _CHALLENGE, _MARKING = (
    b"hening cloud seal 1",
    b"hening cloud name 1",
    b"hening cloud challenge 1",
    b"hening cloud mark 1",
)
_SALT = b"hening cloud unknown name 1"
_RECEIPTS, _QUARANTINE = b"hening cloud receipts 1", b"hening cloud quarantine 1"
_DECOY = ("decoy", "decoy", "decoy")


def draw_text(entropy: Callable[[int], bytes], count: int) -> str:
    """Return `count` random bytes as URL-safe base64 that does not begin with `-`.

    Command lines would parse a leading `-` as an option.
    """
    while True:
        text = base64.urlsafe_b64encode(entropy(count)).rstrip(b"=").decode()
        if not text.startswith("-"):
            return text


class Secrets:
    """Encrypts values of one region, and hashes names so that they can be looked up.

    `pepper` can be rotated; `earlier` are the name keys of the former peppers, oldest first.
    `salts` is a separate key that never changes: it gives each unknown name the same salt every
    time, as an existing name has. `mark` identifies the pepper without revealing it.
    """

    def __init__(
        self,
        region: str,
        pepper: bytes,
        salts: bytes,
        entropy: Callable[[int], bytes],
        earlier: Sequence[bytes] = (),
    ) -> None:
        if len(pepper) != PEPPER_BYTES or len(salts) != PEPPER_BYTES:
            raise FormatError(f"a pepper has {PEPPER_BYTES} bytes; restore the original pepper.")
        self._region = region
        self._entropy = entropy
        self._seal = AESGCM(_derive(pepper, _SEAL))
        self._challenge = AESGCM(_derive(pepper, _CHALLENGE))
        self._names = (*earlier, derive_name_key(pepper))
        self._salts = _derive(salts, _SALT)
        self._decoy = self.seal(bytes(PEPPER_BYTES), *_DECOY)
        self.mark = _derive(pepper, _MARKING)[:_MARK]
        self._quarantine = _derive(salts, _QUARANTINE)
        self._receipts = SigningKey(_derive(salts, _RECEIPTS))

    def seal(self, value: bytes, table: str, row: str, column: str) -> bytes:
        """Return `value` encrypted for one place in the database."""
        nonce = self._entropy(_NONCE)
        return nonce + self._seal.encrypt(nonce, value, self._place(table, row, column))

    def open(self, sealed: bytes, table: str, row: str, column: str) -> bytes:
        """Decrypt a sealed value; raises TrustError if its place or pepper differs."""
        nonce, rest = sealed[:_NONCE], sealed[_NONCE:]
        try:
            return self._seal.decrypt(nonce, rest, self._place(table, row, column))
        except (InvalidTag, ValueError) as error:
            raise TrustError(
                f"{column} of a row of {table} cannot be decrypted with this pepper; restore the"
                " pepper that belongs to the database."
            ) from error

    def open_decoy(self) -> bytes:
        """Decrypt a meaningless value, so that an unknown name takes as long as an existing one."""
        return self.open(self._decoy, *_DECOY)

    def name_hash(self, name: str) -> bytes:
        """Return the 32-byte hash by which a name or an email address is looked up."""
        found = name.encode()
        for key in self._names:
            found = hmac.digest(key, found, hashlib.sha256)
        return found

    def hash_again(self, found: bytes) -> bytes:
        """Return the name hash for this pepper, given the hash for the preceding pepper."""
        return hmac.digest(self._names[-1], found, hashlib.sha256)

    def unknown_salt(self, name: str) -> bytes:
        """Return the 32-byte salt of a name that has no account."""
        return hmac.digest(self._salts, name.encode(), hashlib.sha256)

    def quarantine_hash(self, name: str) -> bytes:
        """Return the 32-byte hash of an erased account's name; no rotation changes it."""
        return hmac.digest(self._quarantine, name.encode(), hashlib.sha256)

    @property
    def receipt_key(self) -> VerifierKey:
        """The public key that verifies receipts; no rotation changes it."""
        return VerifierKey(receipt_key_name(self._region), bytes(self._receipts.verify_key))

    def sign_receipt(self, text: bytes) -> bytes:
        """Return the signature of a receipt's text."""
        return self._receipts.sign(text).signature

    def seal_challenge(self, value: bytes) -> bytes:
        """Return `value` encrypted as a login challenge, which the client sends back."""
        nonce = self._entropy(_NONCE)
        return nonce + self._challenge.encrypt(nonce, value, None)

    def open_challenge(self, sealed: bytes) -> bytes:
        """Decrypt a value from `seal_challenge`; raises TrustError for anything else."""
        try:
            return self._challenge.decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
        except (InvalidTag, ValueError) as error:
            raise TrustError("the challenge was not issued by this server.") from error

    def _place(self, table: str, row: str, column: str) -> bytes:
        return f"{self._region}|{table}|{row}|{column}".encode()


def derive_name_key(pepper: bytes) -> bytes:
    """Return the key with which a pepper hashes names."""
    return _derive(pepper, _NAME)


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, None, purpose).derive(key)
