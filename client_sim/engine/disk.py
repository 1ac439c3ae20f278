"""What the engine does to the phone's storage, in steps that a power cut can fall between.

Every change goes through these methods, so that a test can stop the phone before any one of them.
Reading does not.
"""

import os
from pathlib import Path
from typing import BinaryIO


class Disk:
    """The file system. Durable are a file's bytes after `sync`, a name after `sync_directory`."""

    def make_directory(self, path: Path) -> None:
        """Create the folder `path` and its parents unless it exists."""
        path.mkdir(parents=True, exist_ok=True)

    def create(self, path: Path, size: int = 0) -> BinaryIO:
        """Create or empty the file `path`, fill it with `size` zero bytes and open it."""
        file = path.open("w+b", buffering=0)
        file.truncate(size)
        return file

    def write(self, file: BinaryIO, data: bytes) -> None:
        """Write all of `data` at the file's position."""
        self.write_at(file, file.tell(), data)
        file.seek(len(data), os.SEEK_CUR)

    def write_at(self, file: BinaryIO, position: int, data: bytes | memoryview) -> None:
        """Write all of `data` at `position`; several threads may write to one file at once."""
        rest = memoryview(data)
        while rest:
            written = os.pwrite(file.fileno(), rest, position)
            position += written
            rest = rest[written:]

    def sync(self, file: BinaryIO) -> None:
        """Return when the bytes of `file` are durable."""
        os.fsync(file.fileno())

    def replace(self, source: Path, target: Path) -> None:
        """Rename `source` to `target`, which is replaced at once and whole."""
        source.replace(target)

    def remove(self, path: Path) -> None:
        """Remove the file `path`."""
        path.unlink()

    def sync_directory(self, path: Path) -> None:
        """Return when the names in the folder `path` are durable."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def store(self, path: Path, data: bytes) -> None:
        """Replace the file `path` durably; a reader finds the old one or the new one, whole."""
        temporary = path.with_name(path.name + ".new")
        with self.create(temporary) as file:
            self.write(file, data)
            self.sync(file)
        self.replace(temporary, path)
        self.sync_directory(path.parent)
