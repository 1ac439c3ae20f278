"""Reads with a limit: the part of file handling that the device plane may use."""

from pathlib import Path

from server.core.errors import FormatError

TEMPORARY = ".tmp-"
"""The prefix of the names of files being written or removed; readers skip them."""


def read_bounded(path: Path, limit: int) -> bytes:
    """Return the bytes of a regular file of at most `limit` bytes.

    Raises FormatError for a larger file, a symbolic link, or if there is no regular file.
    """
    if path.is_symlink() or not path.is_file():
        raise FormatError(f"{path.name} is not a regular file.")
    if path.stat().st_size > limit:
        raise FormatError(f"{path.name} is larger than its limit of {limit} bytes.")
    return path.read_bytes()
