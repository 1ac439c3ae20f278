"""The interface of blob stores: blobs are named by sha256 and never change.

A hash is verified once, on ingestion. The device plane uses only `BlobReader`. Implementations:
`local_blobs`, `s3_blobs`.
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

PIECE = 64 * 1024  # bytes of one read: small enough that downloads do not starve polls


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """One stored blob: its length in bytes, and when it was stored, in epoch seconds."""

    sha256: str
    length: int
    time: float


class BlobReader(Protocol):
    """Reads blobs; the only part of a store that the device plane uses."""

    def lengths(self, names: Collection[str]) -> dict[str, int]:
        """Return the length in bytes of each of `names` that exists.

        Lengths of known blobs may come from a cache. Blocks; raises StorageError.
        """

    def open_file(self, sha256: str, length: int) -> AbstractAsyncContextManager[int | None]:
        """Yield the descriptor of a file with a blob's bytes, None if the store has no files.

        Other readers may share it: read it at offsets, never at its position. Entering raises
        StorageError or OSError if the blob is missing or has another length.
        """

    def open_range(
        self, sha256: str, first: int, length: int
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Yield the `length` bytes from `first` on, in pieces of at most `PIECE`.

        Raises StorageError or OSError on entering if the blob cannot be read, and later if a piece
        does not arrive.
        """


class BlobStore(BlobReader, Protocol):
    """Reads, ingests, lists and removes blobs. Every method blocks and may raise StorageError."""

    def length(self, sha256: str) -> int | None:
        """Return a blob's present length in bytes, or None when it is missing."""

    def ingest(self, source: Path, sha256: str, length: int) -> None:
        """Copy `source` into the store, unless its blob exists.

        Raises FormatError for bytes with another hash. A crash leaves files that `sweep` removes,
        never a blob under a name that is not its hash.
        """

    def adopt(self, source: Path, sha256: str, length: int) -> None:
        """Do what `ingest` does, if possible by a hard link to `source` instead of a copy.

        `source` must be flushed and never be written again. Other callers may adopt and ingest the
        same blob concurrently.
        """

    def verify(self, sha256: str, length: int) -> None:
        """Read a blob again and raise FormatError unless it has the hash in its name."""

    def read(self, sha256: str, length: int) -> Iterator[bytes]:
        """Yield a blob's bytes; raises FormatError at their end unless they have its hash.

        Until the iteration has ended, the caller must not rely on the bytes.
        """

    def copy(
        self, sha256: str, length: int, target: Path, *, mode: int = PRIVATE, link: bool = False
    ) -> None:
        """Write a blob to the file `target` of `mode`, which survives a crash.

        `link` makes a hard link instead, where blobs are files of the same file system. Raises
        FormatError when the blob does not have the hash in its name.
        """

    def list(self) -> Iterator[StoredBlob]:
        """Yield every blob; files with other names than a sha256 are skipped."""

    def remove(self, sha256: str) -> None:
        """Remove a blob; a missing one is no error."""

    def free(self) -> int | None:
        """Return how many bytes the store's disk has free, None if there is no such limit."""

    def sweep(self) -> None:
        """Remove the temporary files of crashed ingests, but not of running ones."""


READ = 1 << 20  # bytes per read


def open_source(source: Path, sha256: str, length: int) -> BinaryIO:
    """Open a submitted blob; its length is checked before a byte of it is copied.

    Raises FormatError for a file that is not regular or has another length.
    """
    sentence = f"the blob {sha256[:16]} is not a regular file."
    try:  # non-blocking: opening a pipe would block forever
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

    Until the iteration has ended, the caller must not rely on the pieces.
    """
    digest, remaining = hashlib.sha256(), length
    for piece in pieces:
        remaining -= len(piece)
        if remaining < 0:
            break
        digest.update(piece)
        yield piece
    if remaining:
        raise FormatError(f"the blob {sha256[:16]} does not have {length} bytes.")
    if digest.hexdigest() != sha256:
        raise FormatError(f"the blob {sha256[:16]} does not hash to its name.")


def read_pieces(file: BinaryIO, length: int) -> Iterator[bytes]:
    """Yield at most `length` bytes of a file; growth meanwhile is ignored."""
    while length and (piece := file.read(min(READ, length))):
        length -= len(piece)
        yield piece


def write_blob(
    pieces: Iterator[bytes], sha256: str, length: int, target: Path, mode: int = PRIVATE
) -> None:
    """Write a blob under a temporary name, and rename it once it is complete and its hash verified.

    A refused blob or a full disk leaves nothing.
    """
    make_folder(target.parent, mode)
    # A unique name: two callers may write the same blob. Locked: `sweep_unlocked` skips it.
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
    """Remove the temporary files below `folder` that no process is writing."""
    for leftover in folder.rglob(f"{TEMPORARY}*"):
        with contextlib.suppress(OSError), leftover.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            leftover.unlink()


ANSWER_SECONDS = 5  # to wait for a store while the lease is held
MAX_THREADS = 8  # threads: they wait for a disk or a network

P = ParamSpec("P")
T = TypeVar("T")


class BlobThreads:
    """A few threads of one owner, started when needed; calls queue for a free one.

    A store that does not answer blocks a thread for up to a minute. The threads of
    `asyncio.to_thread` are few, and each publication, a halt included, needs one immediately.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="blobs")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do what `asyncio.to_thread` does; a cancelled caller leaves its call running."""
        call = partial(contextvars.copy_context().run, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    async def run_soon(self, ask: Callable[[], T]) -> T:
        """Run `ask` with a deadline, for requests to a store while the lease is held.

        The halt of a rollout may wait for the lease. Raises what `ask` raises, and StorageError
        after `ANSWER_SECONDS`; `ask` then continues in its thread. Never await it in a transaction:
        that would block the database for all others.
        """
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self.run(ask)
        except TimeoutError as error:
            raise StorageError(
                f"the store of blobs does not answer within {ANSWER_SECONDS} seconds: check it."
            ) from error
