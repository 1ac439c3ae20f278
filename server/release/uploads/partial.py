"""The file of one upload: the bytes that arrived so far, in order, with one writer at a time.

    uploads/ID          the bytes; the file's length is the only record of their number
    uploads/ID.from     while a part with a checksum arrives: the decimal offset where it begins

What arrived of a part without a checksum is kept. A part with one counts completely or not at all:
a crash in the middle leaves `ID.from`, and the next opening truncates the file there. The writer
holds a lock on the file, which the kernel releases when the process dies.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from server.core.encodings import decode_decimal
from server.core.errors import FormatError
from server.release.errors import QuotaError, TooLargeError
from server.release.uploads.headers import Checksum
from server.release.uploads.limits import UploadBusyError, UploadStalledError
from server.release.uploads.partials import Partial, Partials
from server.storage.blobs import BlobStore, BlobThreads
from server.storage.bounded import read_bounded
from server.storage.control_models import Upload
from server.storage.durable import (
    make_folder,
    open_created,
    sweep_temporary,
    sync_folder,
    write_durable,
)
from server.storage.errors import StorageError
from server.storage.layout import StateFolder

BUSY = "the upload is being sent or verified at this moment: ask again soon."
ENDED = "the upload has ended at this moment: ask again."
_ID = re.compile(r"[0-9a-f]{32}")
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class PartialFile:
    """The file of one upload; every method blocks, and all except `open` need it open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def open(self) -> None:
        """Open and lock the file, which is created if missing; repair it after a crash.

        Raises UploadBusyError when another task holds it.
        """
        with storage_errors():
            make_folder(self.path.parent)
            is_new = not self.path.exists()
            self._descriptor = open_created(self.path, _FLAGS)
            if not _take_lock(self._descriptor):
                raise UploadBusyError(BUSY)
            if is_new:
                sync_folder(self.path.parent)
            if _mark(self.path).exists():
                self.cut(arrived(self.path))
                self.settle()

    def close(self) -> None:
        """Close the file and release the lock, if it was open."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def offset(self) -> int:
        """How many bytes have arrived."""
        return os.fstat(self._descriptor).st_size

    def write(self, data: bytes) -> None:
        """Append bytes. Raises QuotaError where the disk is full; what fitted stays."""
        view = memoryview(data)
        with storage_errors():
            while view:
                view = view[os.write(self._descriptor, view) :]

    def begin(self) -> None:
        """Record where a part with a checksum begins, before its first byte is written."""
        with storage_errors():
            write_durable(_mark(self.path), b"%d" % self.offset)

    def cut(self, offset: int) -> None:
        """Truncate the file at `offset`."""
        with storage_errors():
            os.ftruncate(self._descriptor, offset)
            os.fsync(self._descriptor)

    def settle(self) -> None:
        """Flush what arrived to disk; a part with a checksum counts from here on."""
        with storage_errors():
            os.fsync(self._descriptor)
            _forget(_mark(self.path))

    def adopt(self, blobs: BlobStore, sha256: str, length: int) -> None:
        """Give the file a second name in the store, if that is on the same file system."""
        blobs.adopt(self.path, sha256, length)

    def remove(self) -> None:
        """Remove the file, and its `.from` file."""
        with storage_errors():
            _forget(_mark(self.path))
            _forget(self.path)


def arrived(path: Path) -> int:
    """Return how many bytes of an upload count, whether or not more are arriving."""
    try:
        return decode_decimal(read_bounded(_mark(path), 16).decode("ascii"))
    except (OSError, ValueError, FormatError):  # there is none
        return _length(path)


def is_upload_name(name: str) -> bool:
    """Answer whether an upload's file may have this name: its id, 32 lower-case hex digits."""
    return _ID.fullmatch(name) is not None


class LocalPartials:
    """The uploads of a folder, one file each, named by its id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def partial(self, upload_id: str) -> PartialFile:
        """Return an upload's file."""
        return PartialFile(self._folder / upload_id)

    def arrived(self, upload_id: str) -> int:
        """Return how many bytes of an upload count."""
        return arrived(self._folder / upload_id)

    def reserve(self, waiting: Sequence[Upload]) -> int:
        """Return how many bytes are still to arrive."""
        return sum(each.length - self.arrived(each.id) for each in waiting)

    def ids(self) -> set[str]:
        """Return the names of the files; others than those of uploads are left out."""
        if not self._folder.is_dir():
            return set()
        return {name for path in self._folder.iterdir() if is_upload_name(name := path.name)}

    def remove_unheld(self, upload_id: str) -> None:
        """Remove an upload's file unless it is locked."""
        file = self.partial(upload_id)
        try:
            with contextlib.suppress(UploadBusyError):
                file.open()
                file.remove()
        finally:
            file.close()

    def tidy(self) -> None:
        """Remove what crashed writes left."""
        sweep_temporary(self._folder)


def open_partials(folder: StateFolder) -> Partials:
    """Return the uploads of a state folder: the folder's own, or the shared ones."""
    if folder.tree is None:
        return LocalPartials(folder.uploads)
    from server.release.uploads.s3_partials import BULK, S3Partials  # noqa: PLC0415 - few share them
    from server.storage.objects import Objects  # noqa: PLC0415

    return S3Partials(Objects(folder.tree, patience=BULK), folder.uploads)


def _take_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(descriptor).st_nlink > 0  # else it was removed between the two calls


def _mark(path: Path) -> Path:
    return path.with_name(f"{path.name}.from")


def _forget(path: Path) -> None:
    try:
        path.unlink()
    except FileNotFoundError:
        return
    sync_folder(path.parent)


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@contextlib.contextmanager
def storage_errors() -> Iterator[None]:
    """Turn a failure of the disk into QuotaError where it is full, else StorageError."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise QuotaError(
                "the disk is full: what arrived is kept, go on when there is room."
            ) from error
        raise StorageError(f"an upload cannot be kept: {error.strerror or error}.") from error


P = ParamSpec("P")
T = TypeVar("T")
_THREADS = BlobThreads()
"""For all uploads: many clients may send at the same time, and publishing needs other threads."""


async def to_end(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Run `function` in a thread; if cancelled, wait for it first.

    A file is not closed, and not unlocked, under a thread that still writes to it.
    """
    return await to_its_end(_THREADS.run(function, *arguments, **options))


async def to_its_end(call: Coroutine[Any, Any, T]) -> T:
    """Await a call in another thread; if cancelled, wait for it first."""
    work = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


BEYOND = (
    "the part goes beyond the length that the upload announced: send what is left of it, or"
    " announce another upload."
)
BATCH = 1 << 20
"""Bytes collected before a thread writes them: pieces of a socket have about 64 KiB."""


async def receive(
    file: Partial,
    pieces: AsyncIterator[bytes],
    room: int,
    checksum: Checksum | None,
    silence: float,
) -> None:
    """Append the bytes of one part, at most `room`; on return they are flushed to disk.

    After an early end, such as a lost connection or a pause of `silence` seconds, what arrived
    stays and is flushed, too. Nothing stays of a part with a `checksum`. Of one that is longer than
    `room` nothing stays in a file, and full pieces do in S3: all bytes are hashed in the end. The
    error is raised to the caller.
    """
    start, is_whole = file.offset, False
    if checksum is not None:
        await to_end(file.begin)
    try:
        try:
            await _copy(file, pieces, room, checksum, silence)
        except TooLargeError:
            await to_end(file.cut, start)
            raise
        if checksum is not None:
            checksum.check()
        is_whole = True
    finally:
        if checksum is not None and not is_whole:
            await to_end(file.cut, start)
        await to_end(file.settle)


async def _copy(
    file: Partial,
    pieces: AsyncIterator[bytes],
    room: int,
    checksum: Checksum | None,
    silence: float,
) -> None:
    batch = bytearray()
    try:
        while True:
            try:
                async with asyncio.timeout(silence):
                    piece = await anext(pieces, None)
            except TimeoutError as error:
                raise UploadStalledError(
                    "the part paused for too long: what arrived is kept, go on from there."
                ) from error
            if piece is None:
                break
            room -= len(piece)
            if room < 0:
                raise TooLargeError(BEYOND)
            batch += piece
            if len(batch) >= BATCH:
                # A failed write is not repeated below.
                full, batch = bytes(batch), bytearray()
                await to_end(_take, file, full, checksum)
    finally:
        if batch:
            await to_end(_take, file, bytes(batch), checksum)


def _take(file: Partial, data: bytes, checksum: Checksum | None) -> None:
    if checksum is not None:
        checksum.feed(data)
    file.write(data)
