"""Decodes and verifies data of the transparency log: keys, notes, checkpoints, inclusion proofs.

Formats: C2SP signed-note, tlog-checkpoint, tlog-proof, narrowed by FORMATS section 7. Each value
has one encoding, and all others are refused. The text of a checkpoint is decoded only after its
signatures were verified.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nacl.bindings import crypto_core_ed25519_is_valid_point

from client_sim.device.errors import LogError
from client_sim.device.release import DECIMAL, MAX_INTEGER


@lru_cache(maxsize=256)
def is_good_point(data: bytes) -> bool:
    """Tell whether 32 bytes are the canonical encoding of a point in the main subgroup.

    This excludes points of small order and non-canonical encodings (FORMATS section 2, rule 3), and
    also points of mixed order, which key generation does not produce.
    """
    return len(data) == 32 and crypto_core_ed25519_is_valid_point(data)


PROOF_LIMIT: Final = 16_384
CHECKPOINT_LIMIT: Final = 4_096
_ORIGIN: Final = re.compile(r"[a-z0-9.-]+(?:/[a-z0-9-]+)*")
_ORIGIN_LIMIT: Final = 64
_ED25519: Final = 1
_DASH: Final = "\u2014 "
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")  # all but the newline
_KEY_ID_SIZE: Final = 4
_SIGNATURES_LIMIT: Final = 16
_HEADER: Final = "c2sp.org/tlog-proof@v1"
# A tree of 2^53 leaves has paths of at most 53 hashes.
_PATH_LIMIT: Final = 63


@dataclass(frozen=True, slots=True)
class LogKey:
    """The verifier key of a log; `name` is also its origin."""

    name: str
    key_id: bytes
    public: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified tree head: the number of leaves, and their root hash."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """A decoded, unverified proof: the leaf's index, hashes from leaf to root, a signed note."""

    index: int
    path: tuple[bytes, ...]
    note: bytes


def decode_log_key(text: str) -> LogKey:
    """Decode `NAME+HEXID+BASE64`; raises LogError unless the key is a good ed25519 key."""
    parts = text.split("+", 2)
    if len(parts) != 3 or len(parts[0]) > _ORIGIN_LIMIT or not _ORIGIN.fullmatch(parts[0]):
        raise LogError("The key of the transparency log is not NAME+ID+KEY.")
    name, key_id, encoded = parts
    key = _decode_base64(encoded, 33)
    if key[0] != _ED25519 or not is_good_point(key[1:]):
        raise LogError("The key of the transparency log is not an ed25519 key.")
    expected = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    if key_id != expected.hex():
        raise LogError("The key of the transparency log does not have the id that it states.")
    return LogKey(name, expected, key[1:])


def verify_note(note: bytes, key: LogKey, *, limit: int = CHECKPOINT_LIMIT) -> str:
    """Return the text of a note, final newline included, after verifying that `key` signed it.

    A note has 1 to 16 signature lines. Those by other keys are ignored; every one by `key` must
    verify (FORMATS section 7). Raises LogError.
    """
    if len(note) > limit:
        raise LogError("The signed note is too long.")
    try:
        text = note.decode()
    except UnicodeDecodeError:
        raise LogError("The signed note is not UTF-8 text.") from None
    if _CONTROL.search(text):
        raise LogError("The signed note has control characters.")
    body, separator, tail = text.rpartition("\n\n")
    *lines, rest = tail.split("\n")
    if not separator or not body or rest or not 1 <= len(lines) <= _SIGNATURES_LIMIT:
        raise LogError("The signed note is not a text with 1 to 16 signature lines.")
    body += "\n"
    # All lines are decoded before any is verified, so a malformed note costs no signature check.
    signatures = [
        signature
        for name, key_id, signature in map(_decode_signature_line, lines)
        if (name, key_id) == (key.name, key.key_id)
    ]
    if not signatures:
        raise LogError("The signed note has no signature by the log of this ROM.")
    try:
        for signature in signatures:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, body.encode())
    except (InvalidSignature, ValueError):
        raise LogError("The signature of the signed note is wrong.") from None
    return body


def verify_checkpoint(note: bytes, key: LogKey) -> Checkpoint:
    """Return the checkpoint in a signed note: three lines, signed by `key`; raises LogError."""
    lines = verify_note(note, key).split("\n")
    if len(lines) != 4 or lines[3]:
        raise LogError("The checkpoint does not have exactly three lines.")
    if lines[0] != key.name:
        raise LogError("The checkpoint is of another log.")
    return Checkpoint(_decode_decimal(lines[1]), _decode_base64(lines[2], 32))


def decode_proof(data: bytes) -> Proof:
    """Decode a tlog-proof without `extra` line; raises LogError."""
    if len(data) > PROOF_LIMIT:
        raise LogError("The log proof is too long.")
    head, separator, note = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise LogError("The log proof is not text.") from None
    if not separator or len(lines) < 2 or lines[0] != _HEADER or lines[1][:6] != "index ":
        raise LogError("The log proof does not start like a tlog-proof.")
    if len(lines) - 2 > _PATH_LIMIT:
        raise LogError("The log proof has more hashes than any tree has levels.")
    path = tuple(_decode_base64(line, 32) for line in lines[2:])
    return Proof(_decode_decimal(lines[1][6:]), path, note)


def leaf_hash(entry: bytes) -> bytes:
    """Return the RFC 6962 hash of a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def encode_leaf(role: str, version: int, data: bytes) -> bytes:
    """Return the log entry of the published bytes of a role version."""
    digest = hashlib.sha256(data).hexdigest()
    return f"hening role v1\n{role}\n{version}\n{digest}\n".encode("ascii")


def verify_inclusion(
    leaf: bytes, index: int, path: Sequence[bytes], checkpoint: Checkpoint
) -> None:
    """Verify that the tree has the leaf hash `leaf` at `index` (RFC 9162 section 2.1.3.2).

    Raises LogError.
    """
    if index >= checkpoint.size:
        raise LogError("The log proof is about a leaf beyond the end of the tree.")
    node, last, result = index, checkpoint.size - 1, leaf
    for sibling in path:
        if last == 0:
            raise LogError("The log proof has more hashes than the tree has levels.")
        if node & 1 or node == last:
            result = hashlib.sha256(b"\x01" + sibling + result).digest()
            # The last node of a level with an odd number of nodes moves up until it has a sibling.
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            result = hashlib.sha256(b"\x01" + result + sibling).digest()
        node >>= 1
        last >>= 1
    if last != 0 or result != checkpoint.root:
        raise LogError("The log proof does not lead to the root of the tree.")


def verify_proof(text: bytes, key: LogKey, *, role: str, version: int, data: bytes) -> Checkpoint:
    """Verify that the log contains exactly the bytes of a role version; raises LogError."""
    proof = decode_proof(text)
    checkpoint = verify_checkpoint(proof.note, key)
    leaf = leaf_hash(encode_leaf(role, version, data))
    verify_inclusion(leaf, proof.index, proof.path, checkpoint)
    return checkpoint


def _decode_signature_line(line: str) -> tuple[str, bytes, bytes]:
    """Return key name, key id and signature of `— NAME BASE64`, for any key."""
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    # A key name has no Unicode space and no plus sign.
    if not line.startswith(_DASH) or name.split() != [name] or "+" in name:
        raise LogError("A signature line of the signed note is malformed.")
    data = _decode_canonical_base64(encoded)
    if len(data) <= _KEY_ID_SIZE:
        raise LogError("A signature line of the signed note has no signature.")
    return name, data[:_KEY_ID_SIZE], data[_KEY_ID_SIZE:]


def _decode_decimal(text: str) -> int:
    if not DECIMAL.fullmatch(text) or int(text) > MAX_INTEGER:
        raise LogError("The log's answer contains an invalid number.")
    return int(text)


def _decode_base64(text: str, length: int) -> bytes:
    data = _decode_canonical_base64(text)
    if len(data) != length:
        raise LogError("A part of the log's answer has the wrong length.")
    return data


def _decode_canonical_base64(text: str) -> bytes:
    """Return the bytes of `text`, which must be their canonical base64."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise LogError("A part of the log's answer is not base64.") from None
    if base64.b64encode(data).decode() != text:
        raise LogError("A part of the log's answer is not canonical base64.")
    return data
