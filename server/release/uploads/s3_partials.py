"""The bytes of unfinished uploads in S3, where any control node continues what another one began.

    PREFIX/uploads/ID/OFFSET   a piece, OFFSET in 16 digits: where it begins

Pieces are of 8 MiB, except for the last, which is replaced by a longer one when more arrives. Each
is written on a condition: the first time that its name is free, later that nobody replaced it. So
of two machines that append at one offset, one is refused. Pieces stay until the upload ends, and
the bytes in them are those that count. What is not in a piece yet lies in a file without a name,
which a crash loses: up to 8 MiB of a part, or the whole of a part with a checksum, which counts
from its first piece on once the checksum was verified.
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

PIECE = 8 * 1024 * 1024  # bytes: what a crash loses, and what one request sends
BULK = timedelta(seconds=60)  # how long a piece may take on its way to S3 or back
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
        """Return how many bytes the pieces have."""
        return sum(piece.size for piece in self.pieces(upload_id))

    def reserve(self, waiting: Sequence[Upload]) -> int:
        """Return 0: the disk is used for the one upload that ends."""
        del waiting
        return 0

    def ids(self) -> set[str]:
        """Return the ids of uploads that have pieces."""
        found = (_NAME.fullmatch(each.name) for each in self._objects.list("uploads"))
        return {match[1] for match in found if match is not None}

    def remove_unheld(self, upload_id: str) -> None:
        """Remove an upload's pieces unless a task of this machine has it open."""
        if upload_id not in self._held:
            self.remove(upload_id)

    def tidy(self) -> None:
        """Remove the temporary files that no process is writing."""
        sweep_unlocked(self._folder)

    def pieces(self, upload_id: str) -> list[Listed]:
        """Return an upload's pieces in order; the end is where one is missing."""
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
        """Let one task have an upload; raises UploadBusyError for a second one."""
        with self._lock:
            if upload_id in self._held:
                raise UploadBusyError(BUSY)
            self._held.add(upload_id)

    def release(self, upload_id: str) -> None:
        """Let others have it."""
        with self._lock:
            self._held.discard(upload_id)


class S3Partial:
    """The pieces of one upload, and a file with what is in none yet."""

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
        """How many bytes have arrived, in pieces or in the file."""
        return self._sent + self._collected

    def open(self) -> None:
        """Take the upload and ask S3 for its pieces."""
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
        """Close the file and let other tasks have the upload, if it was open."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._partials.release(self._id)

    def write(self, data: bytes) -> None:
        """Collect bytes, and put each piece that is full.

        Raises UploadBusyError when another machine put it meanwhile; then, and after another
        failure, what is in no piece is dropped.
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
        """Keep all that follows in the file until `settle`."""
        self._is_atomic = True

    def cut(self, offset: int) -> None:
        """Drop what is in no piece; `offset` is not after it."""
        del offset
        self._drop()

    def settle(self) -> None:
        """Put what is in the file."""
        self._flush()
        self._is_atomic = False

    def adopt(self, blobs: BlobStore, sha256: str, length: int) -> None:
        """Join the pieces in a file and ingest it.

        Raises UploadBusyError when another machine ended the upload and removed pieces.
        """
        with (
            storage_errors(),
            tempfile.NamedTemporaryFile(prefix=TEMPORARY, dir=self._folder) as file,
        ):
            fcntl.flock(file, fcntl.LOCK_EX)  # so that `tidy` of another process leaves it alone
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
        """Remove the pieces; those that a crash leaves have no row, and are swept."""
        self._partials.remove(self._id)

    @property
    def _room(self) -> int:
        """How many bytes the piece under way lacks."""
        return self._piece - self._sent % self._piece

    @property
    def _open_file(self) -> IO[bytes]:
        if self._file is None:
            raise ValueError("the upload is not open.")
        return self._file

    def _flush(self) -> None:
        """Put what is in the file; a failure drops what is in no piece."""
        try:
            with storage_errors():
                self._open_file.seek(0)
                left = self._collected
                while left:
                    data = self._open_file.read(min(left, self._room))
                    left -= len(data)
                    self._put(data)
        finally:
            self._drop()

    def _put(self, data: bytes) -> None:
        """Put bytes as a piece, or together with those of the last piece in its place."""
        begun = self._sent % self._piece
        name = piece_name(self._id, self._sent - begun)
        try:
            if begun:
                last = self._last or self._objects.get(name, limit=self._piece)
                if last is None or len(last.data) != begun:
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
