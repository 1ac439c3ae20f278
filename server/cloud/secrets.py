"""The pepper, and what is sealed under it: a stolen database alone tells no name and no salt.

The pepper is 32 random bytes that lie outside the database and its backups. Each purpose has a key
of its own, HKDF-SHA-256(pepper, info = purpose). Sealed values are

    12 bytes nonce ∥ AES-256-GCM(value, associated data = PLACE)

where PLACE names region, table, row and column, so that no value can stand in for another one.
A hash of a name cannot be made anew without the name, so a new pepper hashes the hash again.
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
    """Return `count` random bytes as URL-safe base64, which no command takes for an option."""
    while True:
        text = base64.urlsafe_b64encode(entropy(count)).rstrip(b"=").decode()
        if not text.startswith("-"):
            return text


class Secrets:
    """Seals values of one region, and knows names again that it does not keep in clear.

    `pepper` may be changed; `earlier` are the name keys of the peppers before it, oldest first.
    `salts` is a key of its own that stays: by it names that are not there get the same salt for
    ever, as names that are there do. `mark` tells which pepper this is, and nothing of it.
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
            raise FormatError(f"a pepper has {PEPPER_BYTES} bytes; restore the one that was made.")
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
        """Return `value` sealed for one place."""
        nonce = self._entropy(_NONCE)
        return nonce + self._seal.encrypt(nonce, value, self._place(table, row, column))

    def open(self, sealed: bytes, table: str, row: str, column: str) -> bytes:
        """Return a sealed value; raises TrustError for one of another place or pepper."""
        nonce, rest = sealed[:_NONCE], sealed[_NONCE:]
        try:
            return self._seal.decrypt(nonce, rest, self._place(table, row, column))
        except (InvalidTag, ValueError) as error:
            raise TrustError(
                f"{column} of a row of {table} does not open with this pepper; restore the pepper"
                " that belongs to the database."
            ) from error

    def open_decoy(self) -> bytes:
        """Open a value that means nothing: for a name that is not there the same work is done."""
        return self.open(self._decoy, *_DECOY)

    def name_hash(self, name: str) -> bytes:
        """Return the 32 bytes by which a name, or an address, is found."""
        found = name.encode()
        for key in self._names:
            found = hmac.digest(key, found, hashlib.sha256)
        return found

    def hash_again(self, found: bytes) -> bytes:
        """Return the hash under this pepper of what `found` is the hash of under the one before."""
        return hmac.digest(self._names[-1], found, hashlib.sha256)

    def unknown_salt(self, name: str) -> bytes:
        """Return the 32 bytes that are the salt of a name that is not there."""
        return hmac.digest(self._salts, name.encode(), hashlib.sha256)

    def quarantine_hash(self, name: str) -> bytes:
        """Return the 32 bytes by which the name of an erased account is known; they stay."""
        return hmac.digest(self._quarantine, name.encode(), hashlib.sha256)

    @property
    def receipt_key(self) -> VerifierKey:
        """The public half of the key that signs receipts; it stays."""
        return VerifierKey(receipt_key_name(self._region), bytes(self._receipts.verify_key))

    def sign_receipt(self, text: bytes) -> bytes:
        """Return the signature of a receipt's text."""
        return self._receipts.sign(text).signature

    def seal_challenge(self, value: bytes) -> bytes:
        """Return `value` sealed for a client that sends it back."""
        nonce = self._entropy(_NONCE)
        return nonce + self._challenge.encrypt(nonce, value, None)

    def open_challenge(self, sealed: bytes) -> bytes:
        """Return what `seal_challenge` sealed; raises TrustError for anything else."""
        try:
            return self._challenge.decrypt(sealed[:_NONCE], sealed[_NONCE:], None)
        except (InvalidTag, ValueError) as error:
            raise TrustError("the challenge is not one of this server's.") from error

    def _place(self, table: str, row: str, column: str) -> bytes:
        return f"{self._region}|{table}|{row}|{column}".encode()


def derive_name_key(pepper: bytes) -> bytes:
    """Return the key by which a pepper hashes names."""
    return _derive(pepper, _NAME)


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, None, purpose).derive(key)
