"""Reads files that only their owner may read, or may change."""

import os
import stat
from pathlib import Path

from signer.errors import KeyStoreError

SECRET = 0o077
"""The mode bits that a file with a secret must not have."""
TRUSTED = 0o022
"""The mode bits that a file which others may read, but not change, must not have."""


def load_narrow(path: Path, what: str, forbidden: int, limit: int) -> bytes:
    """Return at most `limit` octets of a regular file without any `forbidden` mode bit.

    Raises KeyStoreError, with `what` as the file's name in the sentence, also for a symbolic link:
    what it leads to may change between two looks.
    """
    if path.is_symlink():
        raise KeyStoreError(f"{what} is a symbolic link; put the file itself.")
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        # Asked of the open file, so that what was checked is what is read.
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise KeyStoreError(f"{what} is not a regular file.")
        if mode & forbidden:
            verb, narrow = ("read", "600") if forbidden & 0o044 else ("change", "644")
            raise KeyStoreError(
                f"Others may {verb} {what[:1].lower()}{what[1:]} (mode {stat.S_IMODE(mode):04o});"
                f" run `chmod {narrow} {path}`, and make a new key if they could have."
            )
        return file.read(limit)
