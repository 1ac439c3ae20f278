"""A small persistent mapping in a folder: one file per name, each replaced at once and whole."""

import re
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Final

from client_sim.device.errors import StorageError
from client_sim.engine.disk import Disk

# Octets of one value: the largest is a role of 5,000,000.
VALUE_LIMIT: Final = 8 * 1024 * 1024
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]*(?:\.[a-z0-9_-]+)*")
_NAME_LIMIT: Final = 96
_TEMPORARY: Final = ".new"


class Vault(MutableMapping[str, bytes]):
    """Values by name in `directory`; a value is durable when the assignment returns.

    A crash leaves the old value or the new one. Names are `[a-z0-9_-]` with single dots inside,
    at most 96 octets; other names are KeyError when read and StorageError when written. A failing
    disk is StorageError. `disk` is where changes are made, step by step.
    """

    def __init__(self, directory: Path, *, disk: Disk | None = None) -> None:
        self._directory = directory
        self._disk = disk or Disk()
        try:
            self._disk.make_directory(directory)
        except OSError as error:
            raise _failed(error) from error

    def __getitem__(self, name: str) -> bytes:
        if not _is_name(name):
            raise KeyError(name)
        try:
            with (self._directory / name).open("rb") as file:
                value = file.read(VALUE_LIMIT + 1)
        except FileNotFoundError:
            raise KeyError(name) from None
        except OSError as error:
            raise _failed(error) from error
        if len(value) > VALUE_LIMIT:
            raise StorageError(f"The stored {name} is longer than anything the phone stores.")
        return value

    def __setitem__(self, name: str, value: bytes) -> None:
        if not _is_name(name):
            raise StorageError(f"{name!r} is not a name that the phone stores anything under.")
        if len(value) > VALUE_LIMIT:
            raise StorageError(f"The value for {name} is longer than anything the phone stores.")
        try:
            replace_file(self._directory / name, value, disk=self._disk)
        except OSError as error:
            raise _failed(error) from error

    def __delitem__(self, name: str) -> None:
        if not _is_name(name):
            raise KeyError(name)
        try:
            self._disk.remove(self._directory / name)
            self._disk.sync_directory(self._directory)
        except FileNotFoundError:
            raise KeyError(name) from None
        except OSError as error:
            raise _failed(error) from error

    def __iter__(self) -> Iterator[str]:
        try:
            return iter(sorted(p.name for p in self._directory.iterdir() if _is_name(p.name)))
        except OSError as error:
            raise _failed(error) from error

    def __len__(self) -> int:
        return sum(1 for _ in self)


def replace_file(path: Path, data: bytes, *, disk: Disk | None = None) -> None:
    """Write a file at once and whole, and durably; raises OSError."""
    # One writer per folder, so one temporary name per file is enough; a crash leaves it behind and
    # the next write takes it over.
    disk = disk or Disk()
    temporary = path.with_name(f".{path.name}{_TEMPORARY}")
    with disk.create(temporary) as file:
        disk.write(file, data)
        disk.sync(file)
    disk.replace(temporary, path)
    disk.sync_directory(path.parent)


def _is_name(name: str) -> bool:
    return len(name) <= _NAME_LIMIT and _NAME.fullmatch(name) is not None


def _failed(error: OSError) -> StorageError:
    return StorageError(f"The phone's disk failed: {error}.")
