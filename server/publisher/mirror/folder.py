"""A mirror in a folder, each file written under a temporary name and renamed.

Two exports to one folder exclude each other by a lock on `.mirror.lock`.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from server.device.snapshot import FILE_LIMIT
from server.http.answers import Package
from server.publisher.errors import PublishError
from server.publisher.mirror.steps import (
    LISTING,
    LISTING_LIMIT,
    PARTS,
    MirrorFile,
    decode_listing,
    encode_listing,
)
from server.storage.blobs import BlobStore
from server.storage.bounded import TEMPORARY, read_bounded
from server.storage.durable import (
    READABLE,
    make_folder,
    open_created,
    sweep_temporary,
    write_durable,
)
from server.storage.errors import StorageError

LOCK = ".mirror.lock"


class MirrorFolder:
    """A `Mirror` in the folder `out`, with gzip forms for nginx's `gzip_static`.

    `link` hard-links blobs of a local folder instead of copying them.
    """

    gzip = True

    def __init__(self, out: Path, *, link: bool = False) -> None:
        self._out = out
        self._link = link

    @contextlib.contextmanager
    def opened(self) -> Iterator[frozenset[str]]:
        """Hold the lock, and yield the listed paths."""
        make_folder(self._out, READABLE)
        descriptor = open_created(self._out / LOCK, os.O_WRONLY | os.O_APPEND, READABLE)
        with os.fdopen(descriptor, "ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StorageError(
                    f"another export is writing to {self._out}: let it end."
                ) from error
            yield self._load_listing()

    def _load_listing(self) -> frozenset[str]:
        path = self._out / LISTING
        if not path.exists():
            names = [each.name for each in self._out.iterdir()]
            others = [name for name in names if name != LOCK and not name.startswith(TEMPORARY)]
            if others:
                raise PublishError(
                    f"{self._out} is not a mirror, it holds {min(others)!r}: name another folder."
                )
            return frozenset()
        return frozenset(decode_listing(read_bounded(path, LISTING_LIMIT), str(path)).files)

    def begin(self, root: int, version: int) -> None:
        """Remove temporary files of a crashed export; the lock excludes other exports."""
        del root, version
        for part in PARTS:
            sweep_temporary(self._out / part)

    def write_listing(self, paths: Collection[str]) -> None:
        """Write the listing."""
        write_durable(self._out / LISTING, encode_listing(paths), mode=READABLE)

    def is_there(self, file: MirrorFile) -> bool:
        """Answer whether a file is correct; of a package only its length is compared.

        A hard-linked package that others cannot read is not correct: its blob, the same file, was
        made private.
        """
        path = self._out / file.path
        if isinstance(file.content, bytes):
            return path.is_file() and path.read_bytes() == file.content
        if not path.is_file():
            return False
        found = path.stat()
        is_readable = found.st_nlink == 1 or not READABLE & ~found.st_mode
        return is_readable and found.st_size == file.content.length

    def write(self, file: MirrorFile, blobs: BlobStore) -> None:
        """Write a file, or hard-link it."""
        path = self._out / file.path
        if isinstance(file.content, bytes):
            write_durable(path, file.content, mode=READABLE)
        elif file.content.length == 0:  # a pointer's target, which no store holds
            write_durable(path, b"", mode=READABLE)
        else:
            self._copy(file.content, blobs, path)

    def _copy(self, package: Package, blobs: BlobStore, path: Path) -> None:
        try:
            blobs.copy(package.sha256, package.length, path, mode=READABLE, link=self._link)
        except OSError as error:
            if error.errno in {errno.EXDEV, errno.EPERM, errno.EMLINK} and self._link:
                raise StorageError(
                    "a blob cannot have a second name there: export without --hardlink."
                ) from error
            raise

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes."""
        file = self._out / path
        return read_bounded(file, FILE_LIMIT) if file.is_file() else None

    def list(self) -> Collection[str]:
        """Return the paths of the files, without temporary ones."""
        return {
            path.relative_to(self._out).as_posix()
            for part in PARTS
            for path in (self._out / part).rglob("*")
            if path.is_file() and not path.name.startswith(TEMPORARY)
        }

    def remove(self, paths: Collection[str]) -> None:
        """Remove files, and the folders that become empty."""
        for path in paths:
            (self._out / path).unlink(missing_ok=True)
            for parent in (self._out / path).parents:
                if self._out in {parent, parent.parent}:
                    break
                with contextlib.suppress(OSError):  # up to a folder that holds something else
                    parent.rmdir()
