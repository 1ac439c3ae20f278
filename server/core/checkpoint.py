"""Checkpoints, leaves and stapled proofs of the transparency log.

Source: C2SP tlog-checkpoint and tlog-proof; docs/FORMATS.md section 7.
"""

import base64
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from server.core.encodings import check_sha256, decode_base64, decode_decimal
from server.core.errors import FormatError, LogError
from server.core.names import check_role
from server.core.note import VerifierKey, encode_note, verify_note
from server.core.tiles import WIDTH
from server.core.tlog import leaf_hash, verify_inclusion

MAX_LEAF = 160
MAX_PROOF = 16_384
MAX_TILE = WIDTH * (MAX_LEAF + 2)
"""Bytes of the largest tile, an entry tile: each entry follows its length in two bytes."""
_PROOF_LINE = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed tree head: origin, number of leaves, root hash."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """An inclusion proof with its checkpoint, which stays as signed bytes."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes


def encode_leaf(role: str, version: int, sha256: str) -> bytes:
    """Return the log entry of one role version, at most 160 bytes."""
    check_role(role)
    decode_decimal(str(version))
    check_sha256(sha256)
    entry = f"hening role v1\n{role}\n{version}\n{sha256}\n".encode()
    if len(entry) > MAX_LEAF:
        raise FormatError(f"the log entry of {role} {version} is over {MAX_LEAF} bytes.")
    return entry


def decode_leaf(entry: bytes) -> tuple[str, int, str]:
    """Return role, version and sha256 of a log entry; raises FormatError for any other bytes."""
    try:
        first, role, version, sha256, end = entry[:MAX_LEAF].decode("ascii").split("\n")
    except ValueError as error:
        raise FormatError("a log entry does not have exactly four lines.") from error
    number = decode_decimal(version)
    if (first, end) != ("hening role v1", "") or encode_leaf(role, number, sha256) != entry:
        raise FormatError("a log entry is not in its canonical form.")
    return role, number, sha256


def encode_checkpoint(
    size: int, root: bytes, key: VerifierKey, sign: Callable[[bytes], bytes]
) -> bytes:
    """Return the signed checkpoint of a tree; its origin is the key's name."""
    text = f"{key.name}\n{size}\n{base64.b64encode(root).decode()}\n"
    decode_checkpoint_text(text, key)
    return encode_note(text, key, sign)


def decode_checkpoint(note: bytes, key: VerifierKey) -> Checkpoint:
    """Verify a checkpoint's signature, then read its three lines."""
    return decode_checkpoint_text(verify_note(note, key), key)


def decode_size(note: bytes) -> int:
    """Return the number of leaves of a checkpoint; its signature is not verified."""
    try:
        return decode_decimal(note.split(b"\n", 2)[1].decode("ascii"))
    except (IndexError, UnicodeDecodeError) as error:
        raise FormatError("a checkpoint has no line with its size.") from error


def decode_checkpoint_of_any(note: bytes, keys: Sequence[VerifierKey]) -> Checkpoint:
    """Read a checkpoint, verified by the first of `keys` that has signed it.

    Raises LogError if none of the keys has signed it.
    """
    *others, last = keys
    for key in others:
        with contextlib.suppress(LogError):
            return decode_checkpoint(note, key)
    return decode_checkpoint(note, last)


def encode_proof(index: int, hashes: Sequence[bytes], checkpoint: bytes) -> bytes:
    """Return the tlog-proof of the leaf at `index`."""
    lines = [_PROOF_LINE, f"index {index}", *(base64.b64encode(h).decode() for h in hashes)]
    data = "\n".join([*lines, "", ""]).encode() + checkpoint
    decode_proof(data)
    return data


def decode_proof(data: bytes) -> Proof:
    """Read a tlog-proof; its checkpoint is not verified yet."""
    if len(data) > MAX_PROOF:
        raise FormatError(f"a proof of {len(data)} bytes is over the limit of {MAX_PROOF}.")
    head, gap, checkpoint = data.partition(b"\n\n")
    try:
        first, index, *hashes = head.decode("ascii").split("\n")
    except (UnicodeDecodeError, ValueError) as error:
        raise FormatError("a proof is malformed.") from error
    if first != _PROOF_LINE or not index.startswith("index ") or not gap or len(hashes) > 63:
        raise FormatError("a proof is malformed.")
    raw = tuple(decode_base64(line) for line in hashes)
    if any(len(h) != 32 for h in raw):
        raise FormatError("a proof has a hash that is not a sha256.")
    return Proof(decode_decimal(index.removeprefix("index ")), raw, checkpoint)


def verify_proof(data: bytes, entry: bytes, key: VerifierKey) -> Checkpoint:
    """Verify a proof that `entry` is in the log of `key`, and return its checkpoint."""
    proof = decode_proof(data)
    checkpoint = decode_checkpoint(proof.checkpoint, key)
    verify_inclusion(leaf_hash(entry), proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    return checkpoint


def decode_checkpoint_text(text: str, key: VerifierKey) -> Checkpoint:
    """Read the three lines of a checkpoint of the log of `key`, without verifying a signature.

    Raises LogError if the origin is not the name of `key`, FormatError if the lines are malformed.
    """
    lines = text.split("\n")
    if len(lines) != 4:
        raise FormatError("a checkpoint does not have exactly three lines.")
    origin, size, root, _ = lines
    if origin != key.name:
        raise LogError(f"the checkpoint is of {origin[:64]!r}, not of {key.name}.")
    raw = decode_base64(root)
    if len(raw) != 32:
        raise FormatError("a checkpoint's root is not a sha256.")
    return Checkpoint(origin, decode_decimal(size), raw)
