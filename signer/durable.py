"""Writes that survive a power cut and, except for `replace_file`, never overwrite; and locks.

A file appears under its name whole or not at all: temporary name, fsync, link or rename, fsync of
the folder. Temporary names are `.tmp-NAME.PID`, with the id of the writing process. So two
processes that write one name do not mistake each other's files for their own.

A crash before the last step leaves such a name, which every reader ignores. The next write of the
same name removes those whose process has ended. If another process has the process id by then, the
file stays until that process has ended, too; it can be deleted manually at any time.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from signer.errors import EnvironmentFailedError

TEMPORARY = ".tmp-"


def write_new(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Create `path` with `data`; raises FileExistsError, with that path, when it exists.

    The file has `mode` from its first byte on, restricted further by the umask.
    """
    temporary = _clear_temporary(path)
    try:
        write_synced(temporary, data, mode=mode)
        _link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_once(path: Path, data: bytes) -> None:
    """Create `path` with `data`; an existing file with the same bytes is accepted.

    Raises EnvironmentFailedError when anything else has this name.
    """
    try:
        write_new(path, data)
    except FileExistsError as error:
        if not _holds(path, data):
            raise EnvironmentFailedError(
                f"{path} already exists with other content; choose another name."
            ) from error


def replace_file(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace the file at `path` with `data`; the old one stays whole until the new one is synced.

    The new file has `mode` from its first byte on; the mode of the old file does not matter.
    """
    temporary = _clear_temporary(path)
    try:
        write_synced(temporary, data, mode=mode)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_synced(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Create `path` with `data` and sync it; its folder is not synced."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def make_temporary_folder(path: Path) -> Path:
    """Return the empty temporary folder that `move_folder` turns into `path`.

    A process has one such folder for each `path`: a second call empties it.
    """
    temporary = _clear_temporary(path)
    temporary.mkdir(parents=True)
    return temporary


def move_folder(temporary: Path, path: Path) -> None:
    """Rename a complete folder to its name, and sync its entries; its files are synced already.

    Raises OSError when `path` is a folder with content.
    """
    for folder in (*(entry for entry in temporary.iterdir() if entry.is_dir()), temporary):
        sync_folder(folder)
    temporary.rename(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked_folder(folder: Path, use: str) -> Iterator[None]:
    """Lock a folder; `use` says what the lock is for, such as `changing the keys in keys`.

    Raises EnvironmentFailedError when another process on this machine holds the lock.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EnvironmentFailedError(
                f"Another process is {use} at this moment; wait for it to end and run the command"
                " again."
            ) from error
        yield
    finally:
        os.close(descriptor)


def _link(temporary: Path, path: Path) -> None:
    # A hard link, because a rename would silently replace a file that appeared meanwhile.
    try:
        path.hardlink_to(temporary)
    except FileExistsError as error:
        # The original error names the temporary file.
        raise FileExistsError(error.errno, error.strerror, str(path)) from error
    except PermissionError as error:
        # Linux raises this on file systems without hard links, as on most USB sticks.
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        temporary.rename(path)


def _holds(path: Path, data: bytes) -> bool:
    if not path.is_file():  # opening a pipe would block until its other end is opened
        return False
    with path.open("rb") as file:
        return file.read(len(data) + 1) == data


def _clear_temporary(path: Path) -> Path:
    """Return this process's temporary name for `path`, unused; remove those of ended processes."""
    process = os.getpid()
    prefix = f"{TEMPORARY}{path.name}."
    for leftover in path.parent.glob(f"{escape(prefix)}*"):
        owner = leftover.name.removeprefix(prefix)
        if owner.isdecimal() and (int(owner) == process or not _is_running(int(owner))):
            _remove(leftover)
    return path.with_name(f"{prefix}{process}")


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # a process of another user
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)  # another process may remove the same files
