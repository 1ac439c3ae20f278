"""The bytes of unfinished uploads in S3, where any control node can continue an upload.

    PREFIX/uploads/ID/OFFSET   a piece; OFFSET, in 16 digits, is where it begins

Pieces have 8 MiB, except for the last one, which is replaced by a longer one when more bytes
arrive. Every write is conditional: a new piece requires that its name is free, a replacement that
no other machine has replaced the piece. So if two machines append at the same offset, one fails.

Pieces stay until the upload ends; only bytes in pieces count. Other bytes are in an unnamed
temporary file and are lost in a crash: up to 8 MiB of a part, or all of a part with a checksum,
which is put into pieces after the checksum was verified.
"""

import fcntl
import re
import tempfile
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import IO

from server.release.uploads.limits import UploadBusyError
from server.release.uploads.partials import BUSY, ENDED, storage_errors
from server.storage.blobs import BlobStore, sweep_unlocked
from server.storage.bounded import TEMPORARY
from server.storage.durable import make_folder
from server.storage.models import Upload
from server.storage.objects import Listed, Objects, Stored, TakenError

PIECE = 8 * 1024 * 1024  # bytes of one request to S3; a crash may lose as many
BULK = timedelta(seconds=60)  # how long sending or fetching a piece may take
_NAME = re.compile(r"uploads/([0-9a-f]{32})/[0-9]{16}")


class S3Partials:
    """All uploads below `uploads/` of `objects`; temporary files are in `folder`."""

    def __init__(self, objects: Objects, folder: Path, piece: int = PIECE) -> None:
        self._objects = objects
        self._folder = folder
        self._piece = piece
        self._held: set[str] = set()
        self._lock = threading.Lock()

    def partial(self, upload_id: str) -> "S3Partial":
        """Return an upload's pieces."""
        return S3Partial(self, self._objects, upload_id, self._folder, self._piece)

    def arrived(self, upload_id: str) -> int:
        """Return the number of bytes in the upload's pieces."""
        return sum(piece.size for piece in self.pieces(upload_id))

    def reserve(self, waiting: Sequence[Upload]) -> int:
        """Return 0: an upload takes disk space only while it is made a blob."""
        del waiting
        return 0

    def ids(self) -> set[str]:
        """Return the ids of uploads that have pieces."""
        found = (_NAME.fullmatch(each.name) for each in self._objects.list("uploads"))
        return {match[1] for match in found if match is not None}

    def remove_unlocked(self, upload_id: str) -> None:
        """Remove an upload's pieces, unless a task of this machine has it open."""
        if upload_id not in self._held:
            self.remove(upload_id)

    def tidy(self) -> None:
        """Remove the temporary files that no process is writing."""
        sweep_unlocked(self._folder)

    def pieces(self, upload_id: str) -> list[Listed]:
        """Return an upload's pieces in order, up to the first missing or short one."""
        pieces: list[Listed] = []
        found = sorted(self._objects.list(f"uploads/{upload_id}"), key=lambda each: each.name)
        for number, each in enumerate(found):
            if each.name != piece_name(upload_id, number * self._piece):
                break
            pieces.append(each)
            if each.size < self._piece:
                break
        return pieces

    def remove(self, upload_id: str) -> None:
        """Remove an upload's pieces."""
        self._objects.remove_all([each.name for each in self._objects.list(f"uploads/{upload_id}")])

    def hold(self, upload_id: str) -> None:
        """Mark an upload as open; raises UploadBusyError if it is open already."""
        with self._lock:
            if upload_id in self._held:
                raise UploadBusyError(BUSY)
            self._held.add(upload_id)

    def release(self, upload_id: str) -> None:
        """Mark an upload as not open."""
        with self._lock:
            self._held.discard(upload_id)


class S3Partial:
    """The pieces of one upload, and a file with the bytes that are not in a piece yet."""

    def __init__(
        self, partials: S3Partials, objects: Objects, upload_id: str, folder: Path, piece: int
    ) -> None:
        self._partials = partials
        self._objects = objects
        self._id = upload_id
        self._folder = folder
        self._piece = piece
        self._file: IO[bytes] | None = None
        self._collected = 0  # bytes in the file
        self._sent = 0  # bytes in pieces
        self._last: Stored | None = None  # the piece that is not full, once it was read
        self._is_atomic = False

    @property
    def offset(self) -> int:
        """The number of bytes that have arrived, in pieces and in the file."""
        return self._sent + self._collected

    def open(self) -> None:
        """Mark the upload as open and ask S3 for its pieces."""
        self._partials.hold(self._id)
        try:
            self._sent = self._partials.arrived(self._id)
            with storage_errors():
                make_folder(self._folder)
                self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - see `close`
        except BaseException:
            self._partials.release(self._id)
            raise

    def close(self) -> None:
        """Close the file and the upload, if they are open."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._partials.release(self._id)

    def write(self, data: bytes) -> None:
        """Collect bytes, and put each full piece into S3.

        Raises UploadBusyError if another machine put a piece meanwhile. After this and any other
        failure, bytes that are not in a piece are dropped.
        """
        view = memoryview(data)
        while view:
            part = view if self._is_atomic else view[: self._room - self._collected]
            with storage_errors():
                self._open_file.write(part)
            self._collected += len(part)
            view = view[len(part) :]
            if not self._is_atomic and self._collected == self._room:
                self._flush()

    def begin(self) -> None:
        """Keep all further bytes in the file until `commit`."""
        self._is_atomic = True

    def truncate(self, offset: int) -> None:
        """Drop the bytes that are not in a piece; `offset` is not needed."""
        del offset
        self._drop()

    def commit(self) -> None:
        """Put the bytes in the file into pieces."""
        self._flush()
        self._is_atomic = False

    def adopt(self, blobs: BlobStore, sha256: str, length: int) -> None:
        """Join the pieces in a file and add it to the store.

        Raises UploadBusyError if another machine ended the upload and removed pieces.
        """
        with (
            storage_errors(),
            tempfile.NamedTemporaryFile(prefix=TEMPORARY, dir=self._folder) as file,
        ):
            fcntl.flock(file, fcntl.LOCK_EX)  # so that `tidy` of another process skips the file
            for piece in self._partials.pieces(self._id):
                found = self._objects.get(piece.name, limit=self._piece)
                if found is None:
                    raise UploadBusyError(ENDED)
                file.write(found.data)
            file.flush()
            if file.tell() != length:
                raise UploadBusyError(ENDED)
            blobs.ingest(Path(file.name), sha256, length)

    def remove(self) -> None:
        """Remove the pieces; pieces that a crash leaves are removed by `Uploads.sweep`."""
        self._partials.remove(self._id)

    @property
    def _room(self) -> int:
        """The number of bytes that fit into the current piece."""
        return self._piece - self._sent % self._piece

    @property
    def _open_file(self) -> IO[bytes]:
        if self._file is None:
            raise ValueError("the upload is not open.")
        return self._file

    def _flush(self) -> None:
        """Put the bytes in the file into pieces; a failure drops those that are not in a piece."""
        try:
            with storage_errors():
                self._open_file.seek(0)
                remaining = self._collected
                while remaining:
                    data = self._open_file.read(min(remaining, self._room))
                    remaining -= len(data)
                    self._put(data)
        finally:
            self._drop()

    def _put(self, data: bytes) -> None:
        """Put bytes as a new piece, or replace the last, short piece by a longer one with them."""
        offset = self._sent % self._piece
        name = piece_name(self._id, self._sent - offset)
        try:
            if offset:
                last = self._last or self._objects.get(name, limit=self._piece)
                if last is None or len(last.data) != offset:
                    raise UploadBusyError(BUSY)
                whole = last.data + data
                tag = self._objects.replace(name, whole, last.tag)
            else:
                whole = data
                tag = self._objects.create(name, whole)
        except TakenError as error:
            raise UploadBusyError(BUSY) from error
        self._sent += len(data)
        self._last = Stored(whole, tag) if len(whole) < self._piece else None

    def _drop(self) -> None:
        self._collected = 0
        with storage_errors():
            self._open_file.seek(0)
            self._open_file.truncate()


def piece_name(upload_id: str, offset: int) -> str:
    """Return the name of the piece that begins at `offset`."""
    return f"uploads/{upload_id}/{offset:016d}"
