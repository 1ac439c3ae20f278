"""Durable progress of an update, so that a power cut costs at most one block of the package.

    update/head         the package's bytes up to the data of its payload
    update/carry-N      bytes of the package from offset N, of an incomplete operation
    update/journal.json canonical JSON; files that it does not name are ignored

A journal describes only durable data: the operations before `operation` in the inactive slot, and
the bytes of the package from `carry[0]` up to `position`. It is written last and removed first.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal

import msgspec

from client_sim.engine.digest import STATE_BYTES


class Disk:
    """The file system. File contents are durable after `sync`, names after `sync_directory`."""

    def make_directory(self, path: Path) -> None:
        """Create the folder `path` and its parents unless it exists."""
        path.mkdir(parents=True, exist_ok=True)

    def create(self, path: Path, size: int = 0) -> BinaryIO:
        """Create or empty the file `path`, fill it with `size` zero bytes and open it."""
        file = path.open("w+b", buffering=0)
        file.truncate(size)
        return file

    def write(self, file: BinaryIO, data: bytes) -> None:
        """Write all of `data` at the file's position."""
        self.write_at(file, file.tell(), data)
        file.seek(len(data), os.SEEK_CUR)

    def write_at(self, file: BinaryIO, position: int, data: bytes | memoryview) -> None:
        """Write all of `data` at `position`; several threads may write to one file concurrently."""
        rest = memoryview(data)
        while rest:
            written = os.pwrite(file.fileno(), rest, position)
            position += written
            rest = rest[written:]

    def sync(self, file: BinaryIO) -> None:
        """Block until the bytes of `file` are durable."""
        os.fsync(file.fileno())

    def replace(self, source: Path, target: Path) -> None:
        """Rename `source` to `target`, which is replaced atomically."""
        source.replace(target)

    def remove(self, path: Path) -> None:
        """Remove the file `path`."""
        path.unlink()

    def sync_directory(self, path: Path) -> None:
        """Block until the names in the folder `path` are durable."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def store(self, path: Path, data: bytes, temporary: Path | None = None) -> None:
        """Replace the file `path` durably and atomically; it is written as `temporary` first."""
        temporary = temporary or path.with_name(path.name + ".new")
        with self.create(temporary) as file:
            self.write(file, data)
            self.sync(file)
        self.replace(temporary, path)
        self.sync_directory(path.parent)


_FILE: Final = "journal.json"
_HEAD: Final = "head"
_CARRY: Final = "carry-"
_MAX_JOURNAL_BYTES: Final = 64 * 1024
# More than the sum of the limits of prefix, manifest and signature.
_MAX_HEAD_BYTES: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Journal:
    """Progress of the update to the package with this sha256 and length in bytes.

    `position` counts bytes of the package, `operation` operations of all partitions in order;
    `carry` has the start offsets of the kept pieces, `digests` are saved states in hex.
    """

    sha256: str
    length: int
    position: int
    operation: int
    carry: tuple[int, ...]
    digests: tuple[str, str, str]
    schema: Literal[1] = 1

    @property
    def states(self) -> tuple[bytes, bytes, bytes]:
        """The saved states of the three digests."""
        package, payload, signed = map(bytes.fromhex, self.digests)
        return package, payload, signed


class JournalFolder:
    """The folder `directory` in which an update keeps its journal; it may not exist yet."""

    def __init__(self, directory: Path, disk: Disk) -> None:
        self._directory = directory
        self._disk = disk

    def load(self, sha256: str, length: int) -> Journal | None:
        """Return the journal of the package, or None if there is none."""
        try:
            with (self._directory / _FILE).open("rb") as file:
                data = file.read(_MAX_JOURNAL_BYTES + 1)
        except FileNotFoundError:
            return None
        journal = decode_journal(data)
        if journal is None or (journal.sha256, journal.length) != (sha256, length):
            return None
        return journal

    def load_head(self) -> bytes:
        """Return the stored start of the package, empty if it is missing."""
        try:
            with (self._directory / _HEAD).open("rb") as file:
                return file.read(_MAX_HEAD_BYTES)
        except FileNotFoundError:
            return b""

    def load_carry(self, journal: Journal) -> bytes | None:
        """Return the stored bytes up to `position`, or None if some of them are missing."""
        ends = (*journal.carry[1:], journal.position)
        pieces = []
        for start, end in zip(journal.carry, ends, strict=True):
            try:
                with self._carry(start).open("rb") as file:
                    pieces.append(file.read(end - start + 1))
            except FileNotFoundError:
                return None
            if len(pieces[-1]) != end - start:
                return None
        return b"".join(pieces)

    def begin(self, head: bytes) -> None:
        """Store the start of a package, after the journal of another package was cleared."""
        self._disk.make_directory(self._directory)
        self._disk.store(self._directory / _HEAD, head)

    def store_carry(self, start: int, data: bytes) -> None:
        """Store bytes of the package at offset `start`; call it before a journal names them."""
        self._disk.store(self._carry(start), data)

    def store(self, journal: Journal) -> None:
        """Replace the journal, then remove files that it no longer names."""
        self._disk.store(self._directory / _FILE, encode_journal(journal))
        self._remove_carry(keep=journal.carry)

    def clear(self) -> None:
        """Discard the update: first the journal, then the files that it named."""
        if not self._directory.is_dir():
            return
        for name in (_FILE, _HEAD):
            if (self._directory / name).exists():
                self._disk.remove(self._directory / name)
        self._disk.sync_directory(self._directory)
        self._remove_carry(keep=())

    def _remove_carry(self, keep: tuple[int, ...]) -> None:
        kept = {self._carry(start) for start in keep}
        for path in sorted(self._directory.glob(f"{_CARRY}*")):
            if path not in kept:
                self._disk.remove(path)

    def _carry(self, start: int) -> Path:
        return self._directory / f"{_CARRY}{start}"


def encode_journal(journal: Journal) -> bytes:
    """Encode a journal as the bytes of `journal.json`."""
    return msgspec.json.encode(journal, order="sorted") + b"\n"


def decode_journal(data: bytes) -> Journal | None:
    """Decode the bytes of `journal.json`; return None for bytes that `encode_journal` cannot write.

    A damaged journal is not an error: the update starts over.
    """
    if len(data) > _MAX_JOURNAL_BYTES:
        return None
    try:
        journal = msgspec.json.decode(data, type=Journal)
        states = journal.states
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    places = (*journal.carry, journal.position, journal.length)
    is_sound = (
        encode_journal(journal) == data
        and all(len(state) == STATE_BYTES for state in states)
        and min(*places, journal.operation) >= 0
        and list(journal.carry) == sorted(set(journal.carry))
        and (not journal.carry or journal.carry[-1] < journal.position)
        and journal.position <= journal.length
    )
    return journal if is_sound else None
