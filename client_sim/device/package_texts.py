"""The small texts of an OTA zip in a file, by the zip's own directory.

No release states yet where they lie; an installation compares what it finds there later.
"""

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from client_sim.device.errors import InstallError, StorageError

METADATA: Final = "META-INF/com/android/metadata"
PROPERTIES: Final = "payload_properties.txt"
_SMALL_ENTRY: Final = 64 * 1024
# A zip's directory is read in one piece. One of a real package has some kilobytes.
MAX_DIRECTORY_BYTES: Final = 1024 * 1024
# What zipfile raises for a zip that is none.
_MALFORMED: Final = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, LookupError, RuntimeError),
    *(ValueError, OverflowError, MemoryError),
)


def read_text(path: Path, name: str) -> bytes:
    """Return the entry `name` of the zip at `path`, one byte more than 64 KiB at the most.

    Raises InstallError if there is none, StorageError if the file cannot be read.
    """
    try:
        with _BoundedFile(path) as file:
            return _read_entry(file, name)
    except _MALFORMED:
        raise InstallError(f"{path.name} is no OTA package with a readable {name}.") from None
    except OSError as error:
        reason = error.strerror or "the disk failed"
        raise StorageError(f"{path.name} cannot be read: {reason}.") from error


def _read_entry(file: "_BoundedFile", name: str) -> bytes:
    with zipfile.ZipFile(file) as archive:
        info = archive.getinfo(name)
        # Other methods raise OSError for bad data, as a disk does that fails.
        if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise zipfile.BadZipFile("another method")
        with archive.open(info) as entry:
            return entry.read(_SMALL_ENTRY + 1)


class _BoundedFile(io.FileIO):
    """A file of which no more is read in one piece than a sound zip needs, and nothing outside."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if whence == os.SEEK_SET and not 0 <= offset <= os.fstat(self.fileno()).st_size:
            raise zipfile.BadZipFile("it points outside the file")
        return super().seek(offset, whence)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = os.fstat(self.fileno()).st_size - self.tell()
        if size > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("its directory is too long")
        return super().read(size) or b""


def read_pairs(path: Path, name: str) -> Mapping[str, str]:
    """Return the lines `key=value` of the entry `name`; raises as `read_text` does."""
    lines = read_text(path, name)[:_SMALL_ENTRY].decode("utf-8", "replace").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)
