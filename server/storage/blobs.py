"""Blobs in a local folder, named by their sha256; a hash is verified once, when a blob comes in."""

import errno
import hashlib
import os
import stat
from pathlib import Path

from server.core.encodings import check_sha256
from server.core.errors import FormatError
from server.storage.bounded import TEMPORARY
from server.storage.durable import make_folder, move_durable

PIECE = 1 << 20


class BlobReader:
    """Reads blobs; the only part of the store that the device plane is given."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sha256: str) -> Path:
        """Return where a blob lies, whether or not it is there."""
        check_sha256(sha256)
        return self._folder / sha256[:2] / sha256

    def length(self, sha256: str) -> int | None:
        """Return a blob's length in octets, or None when it is not there."""
        try:
            return self.path(sha256).stat().st_size
        except FileNotFoundError:
            return None


class BlobStore(BlobReader):
    """Reads and ingests blobs."""

    def ingest(self, source: Path, sha256: str, length: int) -> None:
        """Copy `source` in, unless its blob is there already; refuse other octets than named.

        A crash leaves a temporary file, never a blob under a name that is not its hash.
        """
        target = self.path(sha256)
        if self.length(sha256) == length:
            return
        with os.fdopen(_open(source, sha256, length), "rb") as reader:
            make_folder(target.parent)
            temporary = target.with_name(TEMPORARY + sha256)
            with temporary.open("wb") as writer:
                left = length  # a file that grows meanwhile is not followed
                while left and (piece := reader.read(min(PIECE, left))):
                    left -= writer.write(piece)
                writer.flush()
                os.fsync(writer.fileno())
        try:
            self._verify(temporary, sha256, length)
        except FormatError:
            temporary.unlink()
            raise
        move_durable(temporary, target)

    def verify(self, sha256: str, length: int) -> None:
        """Read a blob again and raise FormatError unless it is what its name says."""
        self._verify(self.path(sha256), sha256, length)

    @staticmethod
    def _verify(path: Path, sha256: str, length: int) -> None:
        if not path.is_file() or path.stat().st_size != length:
            raise FormatError(f"the blob {sha256[:16]} does not have {length} octets.")
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise FormatError(f"the blob {sha256[:16]} does not hash to its name.")


def _open(source: Path, sha256: str, length: int) -> int:
    """Open a blob that was submitted; its length is known before an octet of it is copied."""
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
    return descriptor
