"""Modes of what the server writes: for its own user alone, but for what `export` hands out.

A file or folder has its mode from the moment it exists, whatever the umask says. It is created
with that mode, so a umask can only narrow it; what a umask took is given back afterwards. The mode
of what exists already is not changed: `hening-server check` names what is wider.
"""

import contextlib
import os
import stat
from pathlib import Path

PRIVATE = 0o600
"""A file of the state folder or of a back-up: it may hold a secret, or say what is to come."""
READABLE = 0o644
"""A file of a static mirror, which another user's web server reads, or one that goes round."""
OTHERS = 0o077
"""The mode bits that a private file or folder must not have."""


def is_private(found: os.stat_result, user: int) -> bool:
    """Answer whether a file with a secret keeps it from others than its owner and `user`.

    Another user than root reads root's file by its group or an access control list, which shows
    in the group's bits. systemd gives credentials like this.
    """
    forbidden = 0o027 if found.st_uid == 0 != user else OTHERS
    return not found.st_mode & forbidden


def folder_mode(mode: int) -> int:
    """Return the mode of a folder whose files have `mode`: who may read them may enter it."""
    return mode | (mode & 0o444) >> 2


def open_created(path: Path, flags: int, mode: int = PRIVATE) -> int:
    """Return a descriptor of the file `path`, which is created with `mode` if it is missing."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, mode)
    present = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if mode & ~present:  # taken by the umask; a wider file of an older version stays as it is
        os.fchmod(descriptor, present | mode)
    return descriptor


def create_file(path: Path, mode: int = PRIVATE) -> None:
    """Create an empty file with `mode` for a library that opens it by name, unless it exists."""
    with contextlib.suppress(FileExistsError):
        os.close(open_created(path, os.O_WRONLY | os.O_EXCL, mode))


def create_folder(path: Path, mode: int = PRIVATE) -> None:
    """Create a folder for files of `mode`, unless it exists; its parent must exist."""
    try:
        path.mkdir(folder_mode(mode))
    except FileExistsError:
        if not path.is_dir():
            raise
        return
    present = stat.S_IMODE(path.stat().st_mode)
    if folder_mode(mode) & ~present:
        path.chmod(present | folder_mode(mode))
