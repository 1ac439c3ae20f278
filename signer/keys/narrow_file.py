"""Reads files that only their owner may read, or may change, and knows what code may be run.

Trusted are root and the user that the program runs as. What anybody else owns they may change.
"""

import os
import stat
from pathlib import Path

from signer.errors import KeyStoreError

SECRET = 0o077
"""The mode bits that a file with a secret must not have."""
TRUSTED = 0o022
"""The mode bits that a file which others may read, but not change, must not have."""


def load_narrow(path: Path, what: str, forbidden: int, limit: int) -> bytes:
    """Return at most `limit` octets of a regular file of a trusted owner without `forbidden` bits.

    Raises KeyStoreError, with `what` as the file's name in the sentence, also for a symbolic link:
    what it leads to may change between two looks.
    """
    if path.is_symlink():
        raise KeyStoreError(f"{what} is a symbolic link; put the file itself.")
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        # Asked of the open file, so that what was checked is what is read.
        status = os.fstat(descriptor)
        mode = status.st_mode
        if not stat.S_ISREG(mode):
            raise KeyStoreError(f"{what} is not a regular file.")
        _check_owner(path, what, status)
        if mode & forbidden:
            verb, narrow = ("read", "600") if forbidden & 0o044 else ("change", "644")
            raise KeyStoreError(
                f"Others may {verb} {what[:1].lower()}{what[1:]} (mode {stat.S_IMODE(mode):04o});"
                f" run `chmod {narrow} {path}`, and make a new key if they could have."
            )
        return file.read(limit)


def check_unchangeable(path: Path, what: str) -> None:
    """Raise KeyStoreError when others may change the file at `path`, or put another in its place.

    That is asked of the file and of its folder, and of those that a symbolic link leads to. Raises
    OSError when there is nothing at `path`.
    """
    for place in dict.fromkeys((path, path.resolve())):
        _check_place(place, what)
        _check_place(place.parent, f"The folder of {what[:1].lower()}{what[1:]}")


def _check_place(path: Path, what: str) -> None:
    status = path.stat()
    _check_owner(path, what, status)
    # In a sticky folder, as /tmp is, nobody can put anything in the place of others' files.
    if status.st_mode & TRUSTED and not (
        stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    ):
        raise KeyStoreError(
            f"Others may change {what[:1].lower()}{what[1:]} (mode"
            f" {stat.S_IMODE(status.st_mode):04o}); run `chmod go-w {path}`, after you have made"
            " sure that it is what it should be."
        )


def _check_owner(path: Path, what: str, status: os.stat_result) -> None:
    if status.st_uid not in {os.geteuid(), 0}:
        raise KeyStoreError(
            f"{what} belongs to another user (uid {status.st_uid}), who may change it; look at it,"
            f" and if it is yours run `chown {os.geteuid()} {path}`."
        )
