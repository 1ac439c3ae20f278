"""The log as the key process remembers it, in the folder of its record.

    log.json   the largest log that was signed, and what may be its next leaves
    leaves     the entries that came in since this record knows the log, one after the other

Both are on disk before a signature leaves. `log.json` says how many bytes of `leaves` count, so a
crash between the two leaves bytes that nothing names. The entries are for a publisher that lost
them, or that takes over from one in foreign hands, which kept them.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from server.core.checkpoint import encode_leaf
from server.core.compact_tree import CompactTree
from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.errors import FormatError, LogError
from server.core.release import Integer
from server.keys.log_judgement import SignedLog
from server.publisher.plan import Publication
from server.storage.bounded import read_bounded
from server.storage.durable import sync_folder, write_durable
from server.storage.modes import open_created

LIMIT = 16 << 20  # bytes of log.json: those of a site's first publication with every model
MOST_EXPECTED = 1000
"""Entries that are expected at a time, if no single publication has more. An honest publisher has
those of publications that a crash cut off; the bound is against one that logs nothing."""
LEAVES_LIMIT = 1 << 30  # bytes: of ten million publications
LINES = 4  # of an entry


class _Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: Literal[1]
    size: Integer
    subtrees: list[Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]]
    first: Integer
    length: Integer
    expected: list[str]


class LogRecord:
    """The two files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "log.json"
        self._leaves = folder / "leaves"

    def load(self) -> SignedLog:
        """Return the log, an empty one where none was signed. Raises FormatError."""
        log = self._read()
        tree = CompactTree(log.size, tuple(map(bytes.fromhex, log.subtrees)))
        return SignedLog(tree, tuple(entry.encode() for entry in log.expected))

    def expect(self, publication: Publication) -> None:
        """Remember what a publication may add to the log, before its signatures leave.

        A role file of a publication that was logged and given up may come again; its leaf may not.
        """
        log = self._read()
        logged = self._logged(log) if self._has(log.length) else b""
        entries = [encode_leaf(*leaf) for leaf in publication.leaves()]
        new = [entry.decode() for entry in entries if entry not in logged]
        known = set(log.expected)
        expected = [*log.expected, *(entry for entry in new if entry not in known)]
        kept = expected[-max(MOST_EXPECTED, len(new)) :]
        if kept != log.expected:
            self._write(msgspec.structs.replace(log, expected=kept))

    def keep(self, grown: SignedLog, leaves: Sequence[bytes]) -> None:
        """Remember a log, of which `leaves` are new, before its signature leaves."""
        log = self._read()
        first, length = log.first, log.length
        if grown.tree.size - len(leaves) != log.size or not self._has(length):
            first, length = grown.tree.size - len(leaves), 0
        data = b"".join(leaves)
        if data:
            self._append(length, data)
        subtrees = [root.hex() for root in grown.tree.subtrees]
        expected = [entry.decode() for entry in grown.expected]
        self._write(_Log(1, grown.tree.size, subtrees, first, length + len(data), expected))

    def leaves(self, first: int) -> list[bytes]:
        """Return the entries from the index `first` to the end; LogError where some are missing."""
        log = self._read()
        if not log.first <= first <= log.size or not self._has(log.length):
            raise LogError(f"the record has the leaves from {log.first} to {log.size}, if any.")
        lines = self._logged(log).splitlines(keepends=True)
        starts = range((first - log.first) * LINES, len(lines), LINES)
        return [b"".join(lines[at : at + LINES]) for at in starts]

    def _logged(self, log: _Log) -> bytes:
        return read_bounded(self._leaves, LEAVES_LIMIT)[: log.length] if log.length else b""

    def _has(self, length: int) -> bool:
        return not length or (self._leaves.exists() and self._leaves.stat().st_size >= length)

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
            return _Log(1, 0, [], 0, 0, [])
        value = decode_canonical_json(read_bounded(self._log, LIMIT), limit=LIMIT)
        try:
            return msgspec.convert(value, _Log)
        except msgspec.ValidationError as error:
            raise FormatError(
                f"{self._log} is malformed: {error}; restore it from a copy."
            ) from error

    def _write(self, log: _Log) -> None:
        write_durable(self._log, encode_canonical_json(msgspec.to_builtins(log)))
