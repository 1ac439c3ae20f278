"""Octets of a blob on their way: its promised hash and length are held against them."""

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from server.core.errors import FormatError, HeningError
from server.storage.bounded import TEMPORARY
from server.storage.durable import make_folder, move_durable
from server.storage.errors import StorageError
from server.storage.modes import PRIVATE
from server.storage.room import FULL

READ = 1 << 20  # octets read in one go


def open_source(source: Path, sha256: str, length: int) -> BinaryIO:
    """Open a blob that was submitted; its length is known before an octet of it is copied.

    Raises FormatError for what is no regular file, or has another length.
    """
    sentence = f"the blob {sha256[:16]} is not a regular file."
    try:  # without waiting, for a pipe would never answer
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOENT, errno.ENXIO}:
            raise FormatError(sentence) from error
        raise
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise FormatError(sentence)
    if found.st_size != length:
        os.close(descriptor)
        raise FormatError(f"the blob {sha256[:16]} does not have {length} octets.")
    return os.fdopen(descriptor, "rb")


def read_checked(pieces: Iterator[bytes], sha256: str, length: int) -> Iterator[bytes]:
    """Yield `pieces`; raises FormatError at their end unless they are the blob.

    Whoever makes something of the pieces must finish it only when the iteration has ended.
    """
    digest, left = hashlib.sha256(), length
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            break
        digest.update(piece)
        yield piece
    if left:
        raise FormatError(f"the blob {sha256[:16]} does not have {length} octets.")
    if digest.hexdigest() != sha256:
        raise FormatError(f"the blob {sha256[:16]} does not hash to its name.")


def read_pieces(file: BinaryIO, length: int) -> Iterator[bytes]:
    """Yield at most `length` octets of a file; one that grows meanwhile is not followed."""
    while length and (piece := file.read(min(READ, length))):
        length -= len(piece)
        yield piece


def write_blob(
    pieces: Iterator[bytes], sha256: str, length: int, target: Path, mode: int = PRIVATE
) -> None:
    """Write a blob under a temporary name, and under its own once it is whole and its hash holds.

    What is refused or finds the disk full leaves nothing.
    """
    make_folder(target.parent, mode)
    # A name of its own, for two may write the same blob; locked, so that `sweep_unlocked` knows it.
    descriptor, name = tempfile.mkstemp(prefix=TEMPORARY, dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as writer:
            fcntl.flock(writer, fcntl.LOCK_EX)
            os.fchmod(descriptor, mode)  # the file was created with 0600, or less by a umask
            for piece in read_checked(pieces, sha256, length):
                writer.write(piece)
            writer.flush()
            os.fsync(writer.fileno())
    except (HeningError, OSError) as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in FULL:
            raise StorageError(
                f"there is no room for the blob {sha256[:16]} of {length} octets: make room."
            ) from error
        raise
    move_durable(temporary, target)


def sweep_unlocked(folder: Path) -> None:
    """Remove the temporary files below `folder` that nobody writes any more."""
    for leftover in folder.rglob(f"{TEMPORARY}*"):
        with contextlib.suppress(OSError), leftover.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            leftover.unlink()
