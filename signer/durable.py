"""Writes that survive a power cut and, but for `replace_file`, never replace what is there.

A file appears under its name whole or not at all: temporary name, fsync, link or rename, fsync of
the folder. Temporary names are `.tmp-NAME.PID`, with the id of the process that writes, so that two
processes of a machine that write one name do not take each other's files for their own.

A crash before the last step leaves such a name, which every reader passes over. The next write of
the same name removes those whose process has ended. One whose process id has meanwhile been given
to another process stays until that one has ended, too; it can be removed by hand at any time.
"""

import errno
import os
import shutil
from glob import escape
from pathlib import Path

from signer.errors import SurroundingsError

TEMPORARY = ".tmp-"


def write_new(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Create `path` with `data`; FileExistsError, with its name, when it is there already.

    The file has `mode` from its first byte on, whatever the umask adds.
    """
    temporary = _clear_temporary(path)
    try:
        write_synced(temporary, data, mode=mode)
        _link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_once(path: Path, data: bytes) -> None:
    """Create `path` with `data`; the same bytes there already are fine.

    Raises SurroundingsError when there is anything else of this name.
    """
    try:
        write_new(path, data)
    except FileExistsError as error:
        if not _holds(path, data):
            raise SurroundingsError(
                f"{path} is there already with other content; choose another name."
            ) from error


def replace_file(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Put `data` in the place of the file at `path`, which stays whole until the new one is synced.

    The new file has `mode` from its first byte on, whatever the old one had.
    """
    temporary = _clear_temporary(path)
    try:
        write_synced(temporary, data, mode=mode)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_synced(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Create `path` with `data` and flush it; its folder is not flushed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def make_temporary_folder(path: Path) -> Path:
    """Return the empty temporary folder that `move_folder` turns into `path`.

    A process has one for each `path`: a second call empties it.
    """
    temporary = _clear_temporary(path)
    temporary.mkdir(parents=True)
    return temporary


def move_folder(temporary: Path, path: Path) -> None:
    """Give a complete folder its name; the files in it are flushed, its entries are flushed here.

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


def _link(temporary: Path, path: Path) -> None:
    # A hard link, because a rename would silently replace a file that appeared meanwhile.
    try:
        path.hardlink_to(temporary)
    except FileExistsError as error:
        # The one of the link would blame the temporary name.
        raise FileExistsError(error.errno, error.strerror, str(path)) from error
    except PermissionError as error:
        # What Linux says where there are no hard links, as on most memory sticks.
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        temporary.rename(path)


def _holds(path: Path, data: bytes) -> bool:
    if not path.is_file():  # opening a pipe would wait for its other end
        return False
    with path.open("rb") as file:
        return file.read(len(data) + 1) == data


def _clear_temporary(path: Path) -> Path:
    """Return the temporary name of this process for `path`, free; remove those of ended ones."""
    process = os.getpid()
    prefix = f"{TEMPORARY}{path.name}."
    for left in path.parent.glob(f"{escape(prefix)}*"):
        owner = left.name.removeprefix(prefix)
        if owner.isdecimal() and (int(owner) == process or not _is_running(int(owner))):
            _remove(left)
    return path.with_name(f"{prefix}{process}")


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is somebody else's
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)  # another process may clear the same ones
