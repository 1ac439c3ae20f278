"""What a store of blobs does, wherever it keeps them: named by sha256, never changed.

A hash is verified once, when a blob comes in. The device plane is given a `BlobReader` and knows
nothing of the rest. Implementations: `local_blobs`, `s3_blobs`.
"""

import asyncio
import contextlib
import contextvars
import errno
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, ParamSpec, Protocol, TypeVar

from server.core.errors import FormatError, HeningError
from server.storage.bounded import TEMPORARY
from server.storage.durable import PRIVATE, make_folder, move_durable
from server.storage.errors import StorageError
from server.storage.room import FULL

PIECE = 64 * 1024  # bytes given in one go: small enough that downloads do not starve polls


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """One blob that is there: its length in bytes, and since when, in epoch seconds."""

    sha256: str
    length: int
    time: float


class BlobReader(Protocol):
    """Reads blobs; the only part of a store that the device plane is given."""

    def lengths(self, names: Collection[str]) -> dict[str, int]:
        """Return the length in bytes of each of `names` that is there.

        What was there once may be answered from memory. Blocks; raises StorageError.
        """

    def open_file(self, sha256: str, length: int) -> AbstractAsyncContextManager[int | None]:
        """Give the descriptor of a file with a blob's bytes, None where no blob is a file.

        Others may use it at the same time: it is read at offsets, never where it stands. Entering
        raises StorageError or OSError where the blob is not there or has another length.
        """

    def open_range(
        self, sha256: str, first: int, length: int
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Give the `length` bytes from `first` on, in pieces of at most `PIECE`.

        Entering raises StorageError or OSError where the blob cannot be read, before any piece;
        so does a piece that does not come.
        """


class BlobStore(BlobReader, Protocol):
    """Reads, takes in, lists and removes blobs. Every method blocks and may raise StorageError."""

    def length(self, sha256: str) -> int | None:
        """Return a blob's length in bytes as it is now, or None when it is not there."""

    def ingest(self, source: Path, sha256: str, length: int) -> None:
        """Copy `source` in, unless its blob is there already.

        Raises FormatError for other bytes than named. A crash leaves what `sweep` removes, never
        a blob under a name that is not its hash.
        """

    def adopt(self, source: Path, sha256: str, length: int) -> None:
        """Do what `ingest` does, where possible by a second name for `source` and without a copy.

        Nobody writes to `source` any more, and it is flushed. Others may adopt and ingest the same
        blob at the same time.
        """

    def verify(self, sha256: str, length: int) -> None:
        """Read a blob again and raise FormatError unless it is what its name says."""

    def copy(
        self, sha256: str, length: int, target: Path, *, mode: int = PRIVATE, link: bool = False
    ) -> None:
        """Write a blob to the file `target` of `mode`, which survives a crash.

        `link` gives the file a second name instead, where blobs are files of the same file system.
        Raises FormatError when the blob is not what its name says.
        """

    def list(self) -> Iterator[StoredBlob]:
        """Yield every blob that is there; what has another name than a sha256 is passed over."""

    def remove(self, sha256: str) -> None:
        """Remove a blob; one that is not there is no error."""

    def free(self) -> int | None:
        """Return how many bytes the disk below has free, None where there is no such bound."""

    def sweep(self) -> None:
        """Remove what crashed ingests left, and nothing of those that are under way."""


READ = 1 << 20  # bytes read in one go


def open_source(source: Path, sha256: str, length: int) -> BinaryIO:
    """Open a blob that was submitted; its length is known before a byte of it is copied.

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
        raise FormatError(f"the blob {sha256[:16]} does not have {length} bytes.")
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
        raise FormatError(f"the blob {sha256[:16]} does not have {length} bytes.")
    if digest.hexdigest() != sha256:
        raise FormatError(f"the blob {sha256[:16]} does not hash to its name.")


def read_pieces(file: BinaryIO, length: int) -> Iterator[bytes]:
    """Yield at most `length` bytes of a file; one that grows meanwhile is not followed."""
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
                f"there is no room for the blob {sha256[:16]} of {length} bytes: make room."
            ) from error
        raise
    move_durable(temporary, target)


def sweep_unlocked(folder: Path) -> None:
    """Remove the temporary files below `folder` that nobody writes any more."""
    for leftover in folder.rglob(f"{TEMPORARY}*"):
        with contextlib.suppress(OSError), leftover.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            leftover.unlink()


MOST = 8  # threads: they wait for a disk or a network

P = ParamSpec("P")
T = TypeVar("T")


class BlobThreads:
    """A few threads of one owner, begun when needed; what finds none free waits for its turn.

    A store that falls silent keeps whoever asks it for as long as a minute. The threads of
    `asyncio.to_thread` are few, and each publication, halts among them, needs one now.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(MOST, thread_name_prefix="blobs")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do what `asyncio.to_thread` does; who is cancelled leaves a call under way to itself."""
        call = partial(contextvars.copy_context().run, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)
