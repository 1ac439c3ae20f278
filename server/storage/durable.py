"""Writes that survive a power cut: temporary file, fsync, rename, fsync of the folder.

A crash before the rename leaves the old file and a `.tmp-` file that `sweep_temporary` removes at
the next start; a crash after it leaves the new file.
"""

import contextlib
import os
import shutil
from pathlib import Path

from server.storage.bounded import TEMPORARY
from server.storage.errors import StorageError
from server.storage.modes import PRIVATE, create_folder, open_created


def write_durable(path: Path, data: bytes, *, mode: int = PRIVATE) -> None:
    """Make `path` hold `data` instead of what it held; a crash leaves one or the other.

    File and missing folders are created with `mode`, as `server.storage.modes` says.
    """
    make_folder(path.parent, mode)
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    with os.fdopen(open_created(temporary, os.O_WRONLY | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def write_immutable(path: Path, data: bytes, *, mode: int = PRIVATE) -> None:
    """Make `path` hold `data`; a file that is there already must hold the same."""
    try:
        present = path.read_bytes()
    except FileNotFoundError:
        write_durable(path, data, mode=mode)
        return
    if present != data:
        raise StorageError(
            f"{path.name} is already there with other octets; it is never rewritten."
        )


def move_durable(source: Path, target: Path) -> None:
    """Rename a file or folder such that the new name survives a crash."""
    make_folder(target.parent)
    source.rename(target)
    sync_folder(target.parent)


def make_folder(folder: Path, mode: int = PRIVATE) -> None:
    """Make a folder for files of `mode`, and those above it, such that they survive a crash."""
    if folder.is_dir():
        return
    make_folder(folder.parent, mode)
    create_folder(folder, mode)
    sync_folder(folder.parent)


def sync_file(path: Path) -> None:
    """Flush what is in a file to disk, whoever wrote it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep_temporary(folder: Path) -> None:
    """Remove what crashed writes left below `folder`; what cannot be removed stays, unused."""
    for leftover in find_temporary(folder):
        remove_temporary(leftover)


def find_temporary(folder: Path) -> list[Path]:
    """Return what crashed writes left below `folder`, what is in a folder before the folder."""
    return sorted(folder.rglob(f"{TEMPORARY}*"), reverse=True)


def remove_temporary(leftover: Path) -> None:
    """Remove what a crashed write left; what cannot be removed stays, unused."""
    if leftover.is_dir():
        shutil.rmtree(leftover, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            leftover.unlink()
