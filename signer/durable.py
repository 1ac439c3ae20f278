"""Writes that survive a power cut and, but for `replace_file`, never replace what is there.

A file appears under its name whole or not at all: temporary name, fsync, link or rename, fsync of
the folder. A crash before the last step leaves a `.tmp-` name, which the next write of the same
name removes and which every reader passes over.
"""

import os
import shutil
from pathlib import Path

TEMPORARY = ".tmp-"


def write_new(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Create `path` with `data`; FileExistsError when there is such a file already.

    The file has `mode` from its first octet on, whatever the umask adds.
    """
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    temporary.unlink(missing_ok=True)
    write_synced(temporary, data, mode=mode)
    # A hard link, because a rename would silently replace a file that appeared meanwhile.
    path.hardlink_to(temporary)
    temporary.unlink()
    sync_folder(path.parent)


def replace_file(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Put `data` in the place of the file at `path`, which stays whole until the new one is synced.

    The new file has `mode` from its first octet on, whatever the old one had.
    """
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    temporary.unlink(missing_ok=True)
    write_synced(temporary, data, mode=mode)
    temporary.rename(path)
    sync_folder(path.parent)


def write_replacing(path: Path, data: bytes) -> None:
    """Write `path` with `data` whole or not at all, in place of a file of that name."""
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    temporary.unlink(missing_ok=True)
    write_synced(temporary, data)
    temporary.rename(path)
    sync_folder(path.parent)


def write_synced(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Create `path` with `data` and flush it; its folder is not flushed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def make_temporary_folder(path: Path) -> Path:
    """Return the empty temporary folder that `move_folder` turns into `path`."""
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    if temporary.exists():
        shutil.rmtree(temporary)
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
