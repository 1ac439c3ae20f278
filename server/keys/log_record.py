"""Decides which checkpoints of the log the key process signs, and records the log.

The root of a larger log is computed here from its new leaves, each of which must belong to a
publication signed here. A smaller log is signed again, because a new key of the log signs the
checkpoint of every proof.

    log.json   the largest log that was signed, and the leaves that may come next
    leaves     its entries, one after the other

Both are on disk before a signature is sent. `log.json` says how many bytes of `leaves` are valid,
so a crash between the two writes leaves bytes that are ignored. A publisher reads the entries if
it lost them, or if it replaces a compromised publisher that withheld them.
"""

import itertools
import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from server.core.checkpoint import (
    Checkpoint,
    decode_checkpoint_of_any,
    decode_checkpoint_text,
    decode_leaf,
    encode_leaf,
)
from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.errors import FormatError, LogError
from server.core.names import is_latest
from server.core.note import VerifierKey
from server.core.release import Integer
from server.core.tlog import CompactTree, leaf_hash, verify_consistency
from server.publisher.plan import Publication
from server.storage.bounded import read_bounded
from server.storage.durable import open_created, sync_folder, write_durable

LIMIT = 16 << 20  # bytes of log.json: those of a site's first publication with every model
MAX_EXPECTED = 1000
"""The maximum number of expected entries that are not of the newest publication.

An honest publisher has some, of publications that a crash interrupted. The limit is against a
publisher that logs nothing.
"""
LINES = 4  # per entry


@dataclass(frozen=True, slots=True)
class SignedLog:
    """The largest signed log, and the entries that may be its next leaves."""

    tree: CompactTree
    expected: tuple[bytes, ...]


class UnexpectedLeafError(LogError):
    """A log entry belongs to no publication signed here."""


def judge_checkpoint(
    text: bytes,
    key: VerifierKey,
    log: SignedLog,
    leaves: Sequence[bytes],
    proof: Sequence[bytes],
) -> SignedLog:
    """Return the log that includes the checkpoint `text`, which may then be signed.

    `leaves` are the new entries of a larger tree: each must be expected, and may occur once. For
    any other tree, `proof` must show that it is consistent with the signed one.

    Raises FormatError for a malformed text, UnexpectedLeafError for an unexpected leaf, and
    LogError for any other refusal.
    """
    try:
        checkpoint = decode_checkpoint_text(text.decode(), key)
    except UnicodeDecodeError as error:
        raise FormatError("a checkpoint is not UTF-8.") from error
    if not checkpoint.size:
        raise LogError("a log without leaves is not signed: nothing could continue it.")
    if checkpoint.size > log.tree.size:
        return _grow(checkpoint, log, leaves)
    try:
        verify_consistency(checkpoint.size, checkpoint.root, log.tree.size, log.tree.root(), proof)
    except LogError as error:
        raise _fork(checkpoint, log) from error
    return log


def judge_continuation(
    note: bytes, keys: Sequence[VerifierKey], log: SignedLog, leaves: Sequence[bytes]
) -> SignedLog:
    """Return the log of a checkpoint that any of `keys` has signed already, possibly elsewhere.

    `leaves` are its entries after those of the log. Raises FormatError, and LogError for a
    checkpoint that no key has signed or that does not continue the log.
    """
    checkpoint = decode_checkpoint_of_any(note, keys)
    tree = log.tree.grow(leaf_hash(entry) for entry in leaves)
    if (tree.size, tree.root()) != (checkpoint.size, checkpoint.root) or not leaves:
        raise _fork(checkpoint, log)
    for entry in leaves:
        decode_leaf(entry)
    logged = set(leaves)
    return SignedLog(tree, tuple(entry for entry in log.expected if entry not in logged))


def _grow(checkpoint: Checkpoint, log: SignedLog, leaves: Sequence[bytes]) -> SignedLog:
    expected = dict.fromkeys(log.expected)
    for entry in leaves:
        if entry not in expected:
            leaf = entry.decode("ascii", "replace").replace("\n", " ").strip()
            raise UnexpectedLeafError(
                f"the new leaf `{leaf}` of the log belongs to no publication that was signed here,"
                " or is logged already."
            )
        del expected[entry]
    tree = log.tree.grow(leaf_hash(entry) for entry in leaves)
    if (tree.size, tree.root()) != (checkpoint.size, checkpoint.root):
        raise _fork(checkpoint, log)
    return SignedLog(tree, tuple(expected))


def _fork(checkpoint: Checkpoint, log: SignedLog) -> LogError:
    return LogError(
        f"a log of {checkpoint.size} leaves and the {log.tree.size} leaves that were signed are not"
        " of one history, and two are never signed: restore public/log from a newer copy, such as"
        " a mirror's, and run `hening-server rebuild`; if there is none, see"
        " docs/how-to/lost-leaves.md."
    )


class _Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: Literal[1]
    size: Integer
    subtrees: list[Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]]
    length: Integer
    expected: list[str]


class LogRecord:
    """The files `log.json` and `leaves` in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "log.json"
        self._leaves = folder / "leaves"

    def load(self) -> SignedLog:
        """Return the log, an empty one if none was signed. Raises FormatError."""
        log = self._read()
        tree = CompactTree(log.size, tuple(map(bytes.fromhex, log.subtrees)))
        return SignedLog(tree, tuple(entry.encode() for entry in log.expected))

    def expect(self, publication: Publication) -> None:
        """Record the leaves that a publication may add to the log, before its signatures are sent.

        A role file that was logged with an abandoned publication may be published again; its leaf
        is not expected again. Raises LogError for a version that is logged with other bytes. A
        version that is not logged yet replaces the expected leaf of that version.
        """
        log = self._read()
        new = {}
        for role, version, sha256 in publication.leaves():
            entry = encode_leaf(role, version, sha256)
            logged = None if is_latest(role) else self._find(log, role, version)
            if logged is None:  # no version of latest is signed twice, so none is searched
                new[role, version] = entry.decode()
            elif logged != entry:
                raise LogError(f"{role} {version} is in the log with other bytes and is burned.")
        others = [each for each in log.expected if decode_leaf(each.encode())[:2] not in new]
        expected = [*others[-MAX_EXPECTED:], *new.values()]
        if expected != log.expected:
            self._write(msgspec.structs.replace(log, expected=expected))

    def keep(self, grown: SignedLog, leaves: Sequence[bytes]) -> None:
        """Record a log, of which `leaves` are new, before its signature is sent."""
        log = self._read()
        data = b"".join(leaves)
        self._append(log.length, data)
        subtrees = [root.hex() for root in grown.tree.subtrees]
        expected = [entry.decode() for entry in grown.expected]
        self._write(_Log(1, grown.tree.size, subtrees, log.length + len(data), expected))

    def leaves(self, first: int, most: int) -> list[bytes]:
        """Return at most `most` entries from the index `first` on."""
        log = self._read()
        if first >= log.size:
            return []
        with self._leaves.open("rb") as file:
            count = LINES * min(most, log.size - first)
            lines = list(itertools.islice(file, first * LINES, first * LINES + count))
        return [b"".join(lines[at : at + LINES]) for at in range(0, len(lines), LINES)]

    def _find(self, log: _Log, role: str, version: int) -> bytes | None:
        """Return the entry of a role's version, None if it is not logged."""
        if not log.length:
            return None
        start = encode_leaf(role, version, "0" * 64)[:-65]
        with (
            self._leaves.open("rb") as file,
            mmap.mmap(file.fileno(), log.length, access=mmap.ACCESS_READ) as data,
        ):
            at = data.find(start)
            return None if at < 0 else data[at : at + len(start) + 65]

    def _append(self, length: int, data: bytes) -> None:
        with os.fdopen(open_created(self._leaves, os.O_WRONLY), "wb") as file:
            file.truncate(length)
            file.seek(length)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self._folder)

    def _read(self) -> _Log:
        if not self._log.exists():
            return _Log(1, 0, [], 0, [])
        value = decode_canonical_json(read_bounded(self._log, LIMIT), limit=LIMIT)
        try:
            log = msgspec.convert(value, _Log)
        except msgspec.ValidationError as error:
            raise FormatError(
                f"{self._log} is malformed: {error}; restore it from a copy."
            ) from error
        if log.length and (not self._leaves.exists() or self._leaves.stat().st_size < log.length):
            raise FormatError(
                f"{self._leaves} is cut off: restore it from a copy; if there is none, see"
                " docs/how-to/lost-leaves.md."
            )
        return log

    def _write(self, log: _Log) -> None:
        write_durable(self._log, encode_canonical_json(msgspec.to_builtins(log)))
