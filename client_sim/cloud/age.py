"""Encrypt and decrypt age v1 files (age-encryption.org/v1) for one X25519 recipient.

The files can be decrypted with the age programs. Values that age draws at random are derived here
from a secret of the account and the content. So the same piece gives the same file within an
account, and an upload can be resumed by asking which names exist. Other accounts get other files.
Each derived file key encrypts only one plaintext.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base

from client_sim.cloud.errors import RecordError, SealError

CHUNK: Final = 64 * 1024
_TAG: Final = 16
_VERSION: Final = b"age-encryption.org/v1\n"
_STANZA: Final = b"-> X25519 "
_INFO: Final = b"age-encryption.org/v1/X25519"
_BECH32: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_PRIVATE: Final = "age-secret-key-"
_PUBLIC: Final = "age"


@dataclass(frozen=True, slots=True)
class Identity:
    """An age identity: an X25519 secret key."""

    secret: bytes

    @classmethod
    def decode(cls, text: str) -> Self:
        """Decode `AGE-SECRET-KEY-1…`; raises RecordError if it is malformed."""
        return cls(_decode_bech32(text.lower(), _PRIVATE))

    def encode(self) -> str:
        """Return the key as text, `AGE-SECRET-KEY-1…`."""
        return _encode_bech32(_PRIVATE, self.secret).upper()

    @property
    def recipient(self) -> bytes:
        """The public key."""
        return crypto_scalarmult_base(self.secret)

    @property
    def recipient_text(self) -> str:
        """The public key as text, `age1…`."""
        return _encode_bech32(_PUBLIC, self.recipient)


def encrypt(data: bytes, recipient: bytes, secret: bytes) -> bytes:
    """Return `data` as an age file; equal data, recipient and 32-byte `secret` give equal files."""
    seed = hashlib.blake2b(
        recipient + hashlib.sha256(data).digest(), digest_size=64, key=secret, person=b"hening age"
    ).digest()
    file_key, nonce, ephemeral = seed[:16], seed[16:32], seed[32:]
    share = crypto_scalarmult_base(ephemeral)
    shared = crypto_scalarmult(ephemeral, recipient)
    wrap = _hkdf(shared, share + recipient, _INFO)
    body = ChaCha20Poly1305(wrap).encrypt(bytes(12), file_key, None)
    header = _VERSION + _STANZA + _base64(share) + b"\n" + _base64(body) + b"\n---"
    mac = hmac.digest(_hkdf(file_key, b"", b"header"), header, "sha256")
    cipher = ChaCha20Poly1305(_hkdf(file_key, nonce, b"payload"))
    begin = b"".join((header, b" ", _base64(mac), b"\n", nonce))
    last = max(0, (len(data) - 1) // CHUNK)
    file = bytearray(len(begin) + len(data) + (last + 1) * _TAG)
    file[: len(begin)] = begin
    # Encrypt in place: allocating memory for each chunk takes twice as long as encrypting it.
    rest, room = memoryview(data), memoryview(file)[len(begin) :]
    for number in range(last + 1):
        chunk = rest[number * CHUNK : (number + 1) * CHUNK]
        at = number * (CHUNK + _TAG)
        cipher.encrypt_into(
            _nonce(number, is_last=number == last),
            chunk,
            None,
            room[at : at + len(chunk) + _TAG],
        )
    return bytes(file)


def decrypt(file: bytes, identity: Identity) -> bytes:
    """Decrypt an age file; raises SealError for another key or a changed file."""
    try:
        file_key, header, mac, payload = _open_header(file, identity)
        if not hmac.compare_digest(
            hmac.digest(_hkdf(file_key, b"", b"header"), header, "sha256"), mac
        ):
            raise SealError("An age file's header was changed.")
        cipher = ChaCha20Poly1305(_hkdf(file_key, payload[:16], b"payload"))
        view = memoryview(payload)[16:]
        step = CHUNK + _TAG
        last = max(0, (len(view) - 1) // step)
        return b"".join(
            cipher.decrypt(
                _nonce(number, is_last=number == last),
                view[number * step : (number + 1) * step],
                None,
            )
            for number in range(last + 1)
        )
    except (InvalidTag, ValueError, RuntimeError):
        raise SealError("An age file was made for another key, or was changed.") from None


def _open_header(file: bytes, identity: Identity) -> tuple[bytes, bytes, bytes, bytes]:
    head, found, rest = file.partition(b"\n---")
    lines = head.split(b"\n")
    ours = [at for at, line in enumerate(lines) if line.startswith(_STANZA)]
    if not found or lines[0] + b"\n" != _VERSION or len(ours) != 1 or ours[0] + 1 == len(lines):
        raise SealError("This is not an age file for one X25519 recipient.")
    share = _unbase64(lines[ours[0]].removeprefix(_STANZA))
    shared = crypto_scalarmult(identity.secret, share)
    wrap = _hkdf(shared, share + identity.recipient, _INFO)
    file_key = ChaCha20Poly1305(wrap).decrypt(bytes(12), _unbase64(lines[ours[0] + 1]), None)
    mac, _, payload = rest.partition(b"\n")
    return file_key, head + b"\n---", _unbase64(mac.strip()), payload


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


def _hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(key)


def _base64(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def _unbase64(text: bytes) -> bytes:
    return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, part in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= part if top >> bit & 1 else 0
    return check


def _expand(prefix: str) -> list[int]:
    return [ord(x) >> 5 for x in prefix] + [0] + [ord(x) & 31 for x in prefix]


def _encode_bech32(prefix: str, data: bytes) -> str:
    number, bits = int.from_bytes(data, "big"), len(data) * 8
    number <<= -bits % 5
    words = [number >> at & 31 for at in range(bits + -bits % 5 - 5, -1, -5)]
    check = _polymod([*_expand(prefix), *words, *[0] * 6]) ^ 1
    words += [check >> 5 * (5 - at) & 31 for at in range(6)]
    return f"{prefix}1{''.join(_BECH32[word] for word in words)}"


def _decode_bech32(text: str, prefix: str) -> bytes:
    found, _, tail = text.strip().rpartition("1")
    words = [_BECH32.find(x) for x in tail]
    if found != prefix or -1 in words or _polymod([*_expand(prefix), *words]) != 1:
        raise RecordError("This is not an age key.")
    number = 0
    for word in words[:-6]:
        number = number << 5 | word
    bits = 5 * (len(words) - 6)
    return (number >> bits % 8).to_bytes(bits // 8, "big")
