"""Blobs in a local folder: `xx/SHA256`, xx being the first two digits."""

import asyncio
import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiofiles
from aiofiles.threadpool.binary import AsyncBufferedReader

from server.core.encodings import check_sha256
from server.core.errors import FormatError
from server.storage.blobs import (
    PIECE,
    BlobThreads,
    StoredBlob,
    open_source,
    read_checked,
    read_pieces,
    sweep_unlocked,
    write_blob,
)
from server.storage.bounded import TEMPORARY
from server.storage.durable import PRIVATE, make_folder, move_durable
from server.storage.errors import StorageError


@dataclass(slots=True)
class _Open:
    opening: "asyncio.Future[int]"
    readers: int = 0


class OpenFiles:
    """Opens files off the loop; readers of the same file share its descriptor.

    A release is one package that a fleet downloads: a thousand downloads of it need one descriptor.
    `path` returns the path of a named blob.
    """

    def __init__(self, path: Callable[[str], Path]) -> None:
        self._path = path
        self._open: dict[str, _Open] = {}
        self._threads = BlobThreads()  # a fleet opens many: the loop's own threads stay free

    @contextlib.asynccontextmanager
    async def open(self, name: str, length: int) -> AsyncIterator[int]:
        """Yield the descriptor of a regular file of `length` bytes.

        Raises OSError if it cannot be opened, StorageError if it is not such a file.
        """
        shared = self._open.get(name)
        if shared is None:
            path = self._path(name)
            opening = asyncio.ensure_future(self._threads.run(_open, path))
            shared = self._open[name] = _Open(opening)
        shared.readers += 1
        try:
            # If this reader is cancelled, the opening continues for the others.
            descriptor = await asyncio.shield(shared.opening)
            _check(descriptor, length)
            yield descriptor
        finally:
            shared.readers -= 1
            if shared.readers == 0:
                del self._open[name]
                if shared.opening.done():
                    _close(shared.opening)
                else:
                    shared.opening.add_done_callback(_close)


def _open(path: Path) -> int:
    # Opening a pipe would block forever.
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def _check(descriptor: int, length: int) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size != length:
        raise StorageError(
            f"a blob does not have its {length} bytes: run `hening-server check --deep`."
        )


def _close(opening: "asyncio.Future[int]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        os.close(opening.result())


READ = 4 * PIECE  # bytes: one call in a thread for four pieces


class LocalBlobs:
    """A `BlobStore` on a file system."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = OpenFiles(self.path)

    def path(self, sha256: str) -> Path:
        """Return the path of a blob, whether or not it exists."""
        check_sha256(sha256)
        return self._folder / sha256[:2] / sha256

    def length(self, sha256: str) -> int | None:
        """Return a blob's length in bytes, or None when it is missing."""
        try:
            return self.path(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def lengths(self, names: Collection[str]) -> dict[str, int]:
        """Return the length in bytes of each of `names` that exists."""
        folder, found = str(self._folder), {}
        for name in names:
            check_sha256(name)
            with contextlib.suppress(FileNotFoundError):
                # For thousands of blobs, twice as fast as `length`.
                found[name] = os.stat(f"{folder}/{name[:2]}/{name}").st_size  # noqa: PTH116
        return found

    def open_file(
        self, sha256: str, length: int
    ) -> contextlib.AbstractAsyncContextManager[int | None]:
        """Yield the descriptor of a blob's file, which all its readers share."""
        return self._files.open(sha256, length)

    @contextlib.asynccontextmanager
    async def open_range(
        self, sha256: str, first: int, length: int
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yield the `length` bytes from `first` on, in pieces."""
        async with aiofiles.open(self.path(sha256), "rb") as file:
            await file.seek(first)
            async with contextlib.aclosing(_read(file, length)) as pieces:
                yield pieces

    def ingest(self, source: Path, sha256: str, length: int) -> None:
        """Copy `source` into the store, unless its blob exists; refuse bytes with another hash.

        A crash leaves a temporary file, never a blob under a name that is not its hash.
        """
        target = self.path(sha256)
        if self.length(sha256) == length:
            return
        with open_source(source, sha256, length) as reader:
            write_blob(read_pieces(reader, length), sha256, length, target)

    def adopt(self, source: Path, sha256: str, length: int) -> None:
        """Hard-link `source` as the blob, unless it exists.

        A crash leaves a temporary file. Its name differs from those of `ingest`.
        """
        target = self.path(sha256)
        if self.length(sha256) == length:
            return
        with open_source(source, sha256, length) as reader:
            for _ in read_checked(read_pieces(reader, length), sha256, length):
                pass
        make_folder(target.parent)
        temporary = target.with_name(f"{TEMPORARY}{sha256}.{source.name}")
        temporary.unlink(missing_ok=True)
        temporary.hardlink_to(source)
        move_durable(temporary, target)

    def verify(self, sha256: str, length: int) -> None:
        """Read a blob again and raise FormatError unless it has the hash in its name."""
        path = self.path(sha256)
        if not path.is_file() or path.stat().st_size != length:
            raise FormatError(f"the blob {sha256[:16]} does not have {length} bytes.")
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise FormatError(f"the blob {sha256[:16]} does not hash to its name.")

    def read(self, sha256: str, length: int) -> Iterator[bytes]:
        """Yield a blob's bytes; raises FormatError at their end unless they have its hash."""
        with self.path(sha256).open("rb") as reader:
            yield from read_checked(read_pieces(reader, length + 1), sha256, length)

    def copy(
        self, sha256: str, length: int, target: Path, *, mode: int = PRIVATE, link: bool = False
    ) -> None:
        """Write a blob to the file `target`, or with `link` hard-link it there.

        A linked blob is one file with one mode, so it gets `mode` in the store as well. Other users
        cannot reach it there, because of the modes of the folders above.
        """
        source = self.path(sha256)
        if link:
            make_folder(target.parent, mode)
            temporary = target.with_name(TEMPORARY + target.name)
            temporary.unlink(missing_ok=True)
            self.verify(sha256, length)
            temporary.hardlink_to(source)
            temporary.chmod(mode)
            move_durable(temporary, target)
            return
        with source.open("rb") as reader:
            write_blob(read_pieces(reader, length + 1), sha256, length, target, mode)

    def list(self) -> Iterator[StoredBlob]:
        """Yield every blob."""
        for path in sorted(self._folder.glob("[0-9a-f][0-9a-f]/*")):
            with contextlib.suppress(FormatError, FileNotFoundError):
                check_sha256(path.name)
                found = path.stat()
                yield StoredBlob(path.name, found.st_size, found.st_mtime)

    def remove(self, sha256: str) -> None:
        """Remove a blob; a missing one is no error."""
        self.path(sha256).unlink(missing_ok=True)

    def free(self) -> int:
        """Return how many bytes are free on the folder's file system."""
        folder = self._folder
        while not folder.exists():  # it is created with the first blob
            folder = folder.parent
        return shutil.disk_usage(folder).free

    def sweep(self) -> None:
        """Remove the temporary files of crashed ingests."""
        sweep_unlocked(self._folder)


async def _read(file: AsyncBufferedReader, length: int) -> AsyncGenerator[bytes, None]:
    while length:
        read = await file.read(min(READ, length))
        if not read:
            raise StorageError("a blob is shorter than it was: run `hening-server check --deep`.")
        length -= len(read)
        for start in range(0, len(read), PIECE):
            yield read[start : start + PIECE]
