"""Stores of the bytes of unfinished uploads: the interface, and the store in local files.

The other store, `s3_partials`, is in S3: there any control node can continue an upload.

    uploads/ID          the bytes; the file's length is the only record of their number
    uploads/ID.from     while a part with a checksum arrives: the decimal offset where it begins

The bytes of an interrupted part are kept. A part with a checksum counts completely or not at all:
a crash in the middle leaves `ID.from`, and the next opening truncates the file at this offset. The
writer holds a lock on the file, which the kernel releases when the process dies.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from server.core.encodings import decode_decimal
from server.core.errors import FormatError
from server.release.errors import QuotaError
from server.release.uploads.limits import UploadBusyError
from server.storage.blobs import BlobStore
from server.storage.bounded import read_bounded
from server.storage.durable import (
    make_folder,
    open_created,
    sweep_temporary,
    sync_folder,
    write_durable,
)
from server.storage.errors import StorageError
from server.storage.layout import StateFolder
from server.storage.models import Upload
from server.storage.room import is_full

BUSY = "another request is sending or verifying this upload: try again soon."
ENDED = "another request has just ended this upload: ask for its state again."
_ID = re.compile(r"[0-9a-f]{32}")
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW


class Partial(Protocol):
    """The bytes of one upload; every method blocks, and all except `open` need it open.

    Each may raise StorageError, and QuotaError if the disk is full; earlier bytes are kept.
    """

    @property
    def offset(self) -> int:
        """The number of bytes that have arrived."""

    def open(self) -> None:
        """Open the upload for one writer, and repair it after a crash.

        Raises UploadBusyError if another task of this machine has it open.
        """

    def close(self) -> None:
        """Close the upload, if it is open, so that other tasks can open it."""

    def write(self, data: bytes) -> None:
        """Append bytes. Raises UploadBusyError if another machine appended meanwhile."""

    def begin(self) -> None:
        """Begin a part with a checksum: its bytes count from the next `commit` on."""

    def truncate(self, offset: int) -> None:
        """Drop the bytes after `offset` that do not count yet."""

    def commit(self) -> None:
        """Make all bytes count and survive a crash."""

    def adopt(self, blobs: BlobStore, sha256: str, length: int) -> None:
        """Verify the bytes and make them a blob. Raises FormatError if their hash differs."""

    def remove(self) -> None:
        """Remove the bytes."""


class Partials(Protocol):
    """The bytes of all unfinished uploads. Every method except `partial` blocks."""

    def partial(self, upload_id: str) -> Partial:
        """Return an upload's bytes, not open yet; `upload_id` is the id of a row."""

    def arrived(self, upload_id: str) -> int:
        """Return how many bytes of an upload count, even while more are arriving."""

    def reserve(self, waiting: Sequence[Upload]) -> int:
        """Return how many bytes of this machine's disk the `waiting` uploads will still take."""

    def ids(self) -> set[str]:
        """Return the ids of uploads that have bytes."""

    def remove_unlocked(self, upload_id: str) -> None:
        """Remove an upload's bytes, unless a task of this machine has it open."""

    def tidy(self) -> None:
        """Remove this machine's temporary files after a crash."""


class PartialFile:
    """The file of one upload; every method blocks, and all except `open` need it open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def open(self) -> None:
        """Open and lock the file; create it if it is missing, and repair it after a crash.

        Raises UploadBusyError if another task has it open.
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
                self.truncate(arrived(self.path))
                self.commit()

    def close(self) -> None:
        """Close the file and release the lock, if it is open."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def offset(self) -> int:
        """The number of bytes that have arrived."""
        return os.fstat(self._descriptor).st_size

    def write(self, data: bytes) -> None:
        """Append bytes. Raises QuotaError if the disk is full; the bytes that fitted stay."""
        view = memoryview(data)
        with storage_errors():
            while view:
                view = view[os.write(self._descriptor, view) :]

    def begin(self) -> None:
        """Record where a part with a checksum begins, before its first byte is written."""
        with storage_errors():
            write_durable(_mark(self.path), b"%d" % self.offset)

    def truncate(self, offset: int) -> None:
        """Truncate the file at `offset`."""
        with storage_errors():
            os.ftruncate(self._descriptor, offset)
            os.fsync(self._descriptor)

    def commit(self) -> None:
        """Sync the file to disk, and remove the `.from` file: from here on all bytes count."""
        with storage_errors():
            os.fsync(self._descriptor)
            _forget(_mark(self.path))

    def adopt(self, blobs: BlobStore, sha256: str, length: int) -> None:
        """Add the file to the store, by a hard link if the store is on the same file system."""
        blobs.adopt(self.path, sha256, length)

    def remove(self) -> None:
        """Remove the file, and its `.from` file."""
        with storage_errors():
            _forget(_mark(self.path))
            _forget(self.path)


def arrived(path: Path) -> int:
    """Return how many bytes of an upload count, even while more are arriving."""
    try:
        return decode_decimal(read_bounded(_mark(path), 16).decode("ascii"))
    except (OSError, ValueError, FormatError):  # there is no valid `.from` file
        return _length(path)


def is_upload_name(name: str) -> bool:
    """Answer whether `name` is an upload's file name: its id, 32 lower-case hex digits."""
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
        """Return the ids of uploads that have a file."""
        if not self._folder.is_dir():
            return set()
        return {name for path in self._folder.iterdir() if is_upload_name(name := path.name)}

    def remove_unlocked(self, upload_id: str) -> None:
        """Remove an upload's file unless it is locked."""
        file = self.partial(upload_id)
        try:
            with contextlib.suppress(UploadBusyError):
                file.open()
                file.remove()
        finally:
            file.close()

    def tidy(self) -> None:
        """Remove temporary files that crashed writes left."""
        sweep_temporary(self._folder)


def open_partials(folder: StateFolder) -> Partials:
    """Return the store of uploads: in S3 if the state folder has a shared tree, else in files."""
    if folder.tree is None:
        return LocalPartials(folder.uploads)
    from server.release.uploads.s3_partials import BULK, S3Partials  # noqa: PLC0415 - rarely needed
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
    """Turn a disk error into QuotaError if the disk is full, else into StorageError."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise QuotaError(
                "the disk is full: the bytes so far are kept, continue when there is room."
            ) from error
        raise StorageError(f"an upload cannot be stored: {error.strerror or error}.") from error
