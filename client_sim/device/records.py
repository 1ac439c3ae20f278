"""Records that a phone keeps between polls, in a folder that one process at a time may change."""

import fcntl
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from client_sim.device.errors import StateError, StorageError, disk_fails
from client_sim.device.release import DECIMAL, SHA256
from client_sim.engine.journal import Disk

State = MutableMapping[str, bytes]

_SECRET_SIZE: Final = 32
_NUMBER: Final = re.compile(rb"[0-9]{1,12}(?:\.[0-9]{1,9})?")
_FAILED_LIMIT: Final = 64
# A step has at most two incrementals, and a phone sees only a few steps between two builds.
_UNUSABLE_LIMIT: Final = 64


def load_secret(state: State, entropy: Callable[[int], bytes]) -> bytes:
    """Return the phone's secret; the first call generates and stores it."""
    secret = state.get("secret", b"")
    if len(secret) != _SECRET_SIZE:
        secret = entropy(_SECRET_SIZE)
        state["secret"] = secret
    return secret


def load_due(state: State) -> float | None:
    """Return the stored due time, or None if there is no readable one."""
    stored = state.get("due", b"")
    return float(stored) if _NUMBER.fullmatch(stored) else None


def store_due(state: State, due: float) -> float:
    """Store a due time and return it as it will be read back."""
    assert math.isfinite(due)
    # Not `repr`, which writes 0.00001 with an exponent.
    text = f"{max(0.0, due):.6f}".encode()
    state["due"] = text
    return float(text)


def forget_due(state: State) -> None:
    """Remove the due time."""
    state.pop("due", None)


def load_floor(state: State) -> int:
    """Return the floor, 0 on a phone that has installed nothing; raises StateError."""
    return _decode_counter(state.get("floor", b"0"))


def raise_floor(state: State, counter: int) -> None:
    """Store a higher floor; a lower one changes nothing."""
    if counter > load_floor(state):
        state["floor"] = str(counter).encode()


def load_failed(state: State) -> tuple[int, ...]:
    """Return the counters of failed builds; raises StateError."""
    lines = state.get("failed", b"").splitlines()
    if len(lines) > _FAILED_LIMIT:
        raise StateError("The phone's record of failed builds is damaged; reset the phone.")
    return tuple(_decode_counter(line) for line in lines)


def store_failed(state: State, counters: Iterable[int]) -> None:
    """Store the counters of failed builds, the highest 64 of them."""
    highest = sorted(set(counters))[-_FAILED_LIMIT:]
    state["failed"] = "\n".join(map(str, highest)).encode()


def load_unusable(state: State) -> tuple[str, ...]:
    """Return the sha256 of unusable incrementals; an unreadable record counts as empty."""
    lines = state.get("unusable", b"").decode("latin-1").splitlines()[:_UNUSABLE_LIMIT]
    return tuple(line for line in lines if SHA256.fullmatch(line))


def add_unusable(state: State, sha256: str) -> None:
    """Record an unusable incremental; the oldest of more than 64 is dropped."""
    known = [line for line in load_unusable(state) if line != sha256]
    state["unusable"] = "\n".join([*known, sha256][-_UNUSABLE_LIMIT:]).encode()


def forget_unusable(state: State) -> None:
    """Remove the record: it does not apply to the build that runs now."""
    state.pop("unusable", None)


def forget_agreed(state: State) -> None:
    """Remove the owner's consent: its build runs now."""
    state.pop("agreed", None)


def load_agreed(state: State) -> int | None:
    """Return the counter of the build that the owner agreed to, or None; raises StateError."""
    stored = state.get("agreed")
    return None if stored is None else _decode_counter(stored)


def store_agreed(state: State, counter: int) -> None:
    """Record that the owner agrees to a build, and to no other."""
    state["agreed"] = str(counter).encode()


def _decode_counter(data: bytes) -> int:
    text = data.decode("latin-1")
    if not DECIMAL.fullmatch(text):
        raise StateError("A counter that the phone has stored is damaged; reset the phone.")
    return int(text)


# Bytes of one value: the largest is a role of 5,000,000 bytes.
VALUE_LIMIT: Final = 8 * 1024 * 1024
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*(?:\.[a-z0-9_-]+)*")
_NAME_LIMIT: Final = 96
_TEMPORARY: Final = ".new"


class RecordStore(MutableMapping[str, bytes]):
    """Values by name in `directory`; a value is durable when the assignment returns.

    A crash leaves the old value or the new one. Names are `[a-z0-9_-]` with single dots inside, at
    most 96 bytes; other names raise KeyError when read and StorageError when written. A disk error
    is StorageError. `disk` performs each change.
    """

    def __init__(self, directory: Path, *, disk: Disk | None = None) -> None:
        self._directory = directory
        self._disk = disk or Disk()
        with disk_fails():
            self._disk.make_directory(directory)

    def __getitem__(self, name: str) -> bytes:
        path = self._path(name)
        if path is None:
            raise KeyError(name)
        with disk_fails():
            try:
                with path.open("rb") as file:
                    value = file.read(VALUE_LIMIT + 1)
            except FileNotFoundError:
                raise KeyError(name) from None
        if len(value) > VALUE_LIMIT:
            raise StorageError(f"The stored {name} is longer than anything the phone stores.")
        return value

    def __setitem__(self, name: str, value: bytes) -> None:
        path = self._path(name)
        if path is None:
            raise StorageError(f"{name!r} is not a valid name of a record.")
        if len(value) > VALUE_LIMIT:
            raise StorageError(f"The value for {name} is longer than anything the phone stores.")
        with disk_fails():
            replace_file(path, value, disk=self._disk)

    def __delitem__(self, name: str) -> None:
        path = self._path(name)
        if path is None:
            raise KeyError(name)
        with disk_fails():
            try:
                self._disk.remove(path)
            except FileNotFoundError:
                raise KeyError(name) from None
            self._disk.sync_directory(self._directory)

    def __iter__(self) -> Iterator[str]:
        with disk_fails():
            files = [path.name for path in self._directory.iterdir()]
        return iter(sorted(name for file in files if (name := self._name(file)) is not None))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _path(self, name: str) -> Path | None:
        """Return the file of a value, or None for an invalid name."""
        return self._directory / name if _is_name(name) else None

    def _name(self, file: str) -> str | None:
        """Return the name of the value in a file, or None for a file that holds no value."""
        return file if _is_name(file) else None


def replace_file(path: Path, data: bytes, *, disk: Disk | None = None) -> None:
    """Replace a file atomically and durably; raises OSError."""
    # A folder has one writer, so one temporary name per file is enough. The next write replaces a
    # temporary file that a crash left.
    (disk or Disk()).store(path, data, path.with_name(f".{path.name}{_TEMPORARY}"))


def _is_name(name: str) -> bool:
    return len(name) <= _NAME_LIMIT and _NAME.fullmatch(name) is not None


@contextmanager
def lock_folder(directory: Path, *, wait: bool) -> Iterator[bool]:
    """Lock a phone's folder, and yield whether the lock is held; raises StorageError.

    If another holder has the lock, wait for it with `wait`, else yield False. The folder itself is
    locked: no lock file has to be written or removed, and the lock ends with the process. Nested
    calls with `wait` deadlock.
    """
    with disk_fails():
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        is_locked = True
        with disk_fails():
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                is_locked = False
        yield is_locked
    finally:
        os.close(descriptor)
