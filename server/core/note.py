"""Signed notes: a text with Ed25519 signature lines, and the keys that sign and verify them.

    <text that ends in a newline>
    <empty line>
    — <key name> <base64(key id ∥ signature)>

Source: C2SP signed-note; docs/FORMATS.md section 7. Only signature type 0x01 (Ed25519) is read.
Private keys stay outside: `encode_note` calls a function that signs.
"""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from server.core.encodings import decode_base64
from server.core.errors import FormatError, LogError

MAX_NOTE = 4096
MAX_SIGNATURES = 16
_ED25519 = b"\x01"
_NAME = re.compile(r"[a-z0-9.-]+(?:/[a-z0-9-]+)*")
_DASH = "\u2014 "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")  # all but the newline


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half of a note key: its name and 32 bytes."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that identify this key in a signature line."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        text = base64.b64encode(_ED25519 + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{text}"


def decode_verifier_key(text: str) -> VerifierKey:
    """Read `NAME+ID+BASE64`, the form of the log's key in root's `custom`."""
    name, _, rest = text[:256].partition("+")
    _, _, encoded = rest.partition("+")
    if _NAME.fullmatch(name) is None or len(name) > 64:
        raise FormatError(f"{text[:80]!r} is not a verifier key: its name is malformed.")
    raw = decode_base64(encoded)
    if len(raw) != 33 or raw[:1] != _ED25519:
        raise FormatError(f"the verifier key {name} is not an Ed25519 key.")
    key = VerifierKey(name, raw[1:])
    if str(key) != text:
        raise FormatError(f"the verifier key {name} is not in its canonical form.")
    return key


def check_log_name(name: str) -> None:
    """Raise FormatError unless `name` can name a log's key."""
    try:
        decode_verifier_key(str(VerifierKey(name, bytes(32))))
    except FormatError as error:
        raise FormatError(
            f"{name[:64]!r} cannot name a log: use a host name and a path of lower-case letters,"
            " digits and `-`, such as rom.example/log."
        ) from error


def encode_note(text: str, key: VerifierKey, sign: Callable[[bytes], bytes]) -> bytes:
    """Return the note with `text`, signed by `sign`, which has the private half of `key`."""
    note = f"{text}\n".encode() + _encode_line(text, key, sign)
    verify_note(note, key)
    return note


def cosign_note(note: bytes, key: VerifierKey, sign: Callable[[bytes], bytes]) -> bytes:
    """Return a note with another signature line, by `sign`, which has the private half of `key`."""
    text, _ = _split(note)
    note += _encode_line(text, key, sign)
    verify_note(note, key)
    return note


def verify_note(note: bytes, key: VerifierKey) -> str:
    """Verify the signature of a note by `key`, and return its text.

    Raises FormatError for a malformed note, LogError if `key` has not signed it.
    """
    text, lines = _split(note)
    verified = False
    for line in lines:
        name, _, encoded = line.removeprefix(_DASH).partition(" ")
        raw = decode_base64(encoded)
        if not line.startswith(_DASH) or not name or "+" in name or len(raw) < 5:
            raise FormatError("a signature line of a note is malformed.")
        if (name, raw[:4]) != (key.name, key.key_id):
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(raw[4:], text.encode())
        except (InvalidSignature, ValueError) as error:
            raise LogError(f"the signature of {key.name} is invalid.") from error
        verified = True
    if not verified:
        raise LogError(f"the note is not signed by {key.name}.")
    return text


def _encode_line(text: str, key: VerifierKey, sign: Callable[[bytes], bytes]) -> bytes:
    signature = base64.b64encode(key.key_id + sign(text.encode())).decode()
    return f"{_DASH}{key.name} {signature}\n".encode()


def _split(note: bytes) -> tuple[str, list[str]]:
    if len(note) > MAX_NOTE:
        raise FormatError(f"a note of {len(note)} bytes is over the limit of {MAX_NOTE}.")
    try:
        text = note.decode()
    except UnicodeDecodeError as error:
        raise FormatError("a note is not UTF-8.") from error
    if _CONTROL.search(text) or not text.endswith("\n"):
        raise FormatError("a note has control characters or no final newline.")
    head, gap, tail = text.rpartition("\n\n")
    lines = tail.removesuffix("\n").split("\n")
    if not gap or not head or len(lines) > MAX_SIGNATURES:
        raise FormatError("a note has no text, no signatures or too many of them.")
    return head + "\n", lines
