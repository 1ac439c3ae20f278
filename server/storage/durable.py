"""Writes that survive a power cut: temporary file, fsync, rename, fsync of the folder.

A crash before the rename leaves the old file and a `.tmp-` file that `sweep_temporary` removes at
the next start; a crash after it leaves the new file.
"""

import contextlib
import os
import shutil
import stat
from pathlib import Path

from server.storage.bounded import TEMPORARY
from server.storage.errors import StorageError

PRIVATE = 0o600
"""The mode of a file of the state folder or of a backup: it may hold a secret, or future plans."""
READABLE = 0o644
"""The mode of files for other users: a static mirror's, for a web server, or files to pass on."""
OTHERS = 0o077
"""The mode bits that a private file or folder must not have."""


def is_private(found: os.stat_result, user: int) -> bool:
    """Answer whether only its owner and `user` can read a file with a secret.

    A user other than root reads root's file by its group or an access control list, which shows in
    the group's bits. systemd passes credentials like this.
    """
    forbidden = 0o027 if found.st_uid == 0 != user else OTHERS
    return not found.st_mode & forbidden


def folder_mode(mode: int) -> int:
    """Return the mode of a folder for files of `mode`: the same users may enter it."""
    return mode | (mode & 0o444) >> 2


def open_created(path: Path, flags: int, mode: int = PRIVATE) -> int:
    """Return a descriptor of the file `path`, which is created with `mode` if it is missing."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, mode)
    present = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if mode & ~present:  # removed by the umask; a wider file of an older version stays as it is
        os.fchmod(descriptor, present | mode)
    return descriptor


def create_file(path: Path) -> None:
    """Create an empty private file for a library that opens it by name, unless it exists."""
    with contextlib.suppress(FileExistsError):
        os.close(open_created(path, os.O_WRONLY | os.O_EXCL))


def write_durable(path: Path, data: bytes, *, mode: int = PRIVATE) -> None:
    """Replace the content of `path` by `data`; a crash leaves the old content or the new.

    The file and missing folders are created with `mode`, whatever the umask.
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
    """Write `data` to `path`; raise StorageError if the file exists with other bytes."""
    try:
        present = path.read_bytes()
    except FileNotFoundError:
        write_durable(path, data, mode=mode)
        return
    if present != data:
        raise StorageError(f"{path.name} is already there with other bytes; it is never rewritten.")


def move_durable(source: Path, target: Path) -> None:
    """Rename a file or folder such that the new name survives a crash."""
    make_folder(target.parent)
    source.rename(target)
    sync_folder(target.parent)


def discard_folder(folder: Path) -> None:
    """Remove a folder such that a crash leaves it complete, or under a temporary name."""
    trash = folder.with_name(f"{TEMPORARY}done")
    if trash.exists():
        shutil.rmtree(trash)
    move_durable(folder, trash)
    shutil.rmtree(trash)


def make_folder(folder: Path, mode: int = PRIVATE) -> None:
    """Make a folder for files of `mode`, and those above it, such that they survive a crash."""
    if folder.is_dir():
        return
    make_folder(folder.parent, mode)
    wanted = folder_mode(mode)
    try:
        folder.mkdir(wanted)
    except FileExistsError:  # another process was faster, or it is a file
        if not folder.is_dir():
            raise
    else:
        present = stat.S_IMODE(folder.stat().st_mode)
        if wanted & ~present:  # removed by the umask
            folder.chmod(present | wanted)
    sync_folder(folder.parent)


def sync_file(path: Path) -> None:
    """Flush the content of a file to disk, also if another process wrote it."""
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
    """Remove the files that crashed writes left below `folder`, except those it cannot remove."""
    for leftover in find_temporary(folder):
        remove_temporary(leftover)


def find_temporary(folder: Path) -> list[Path]:
    """Return the paths that crashed writes left below `folder`, contents before their folder."""
    return sorted(folder.rglob(f"{TEMPORARY}*"), reverse=True)


def remove_temporary(leftover: Path) -> None:
    """Remove a file or folder that a crashed write left, as far as possible."""
    if leftover.is_dir():
        shutil.rmtree(leftover, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            leftover.unlink()
