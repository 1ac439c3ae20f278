"""The store of bodies that are too large for a database row, in a folder or in S3.

A body's name has several segments, such as `chunks/COLLECTION/NAME`. After `put` has returned, the
body survives a crash. A body is stored completely or not at all, with one exception: if its name
is new and random (`is_drawn`), a power failure before `put` returns may leave a part of it. If the
pieces end with an error, nothing is stored.
"""

import asyncio
import contextlib
import itertools
import os
import re
import shutil
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from server.cloud.settings import CloudFolder, CloudSettings
from server.core.errors import FormatError
from server.storage.bounded import TEMPORARY
from server.storage.durable import find_temporary, make_folder, sync_folder
from server.storage.room import Room, check_room

PIECE = 256 * 1024
"""Bytes to read at a time."""
WRITE = 1024 * 1024
"""Bytes of a body to write at a time; each write needs a switch to a thread."""
RECEIVED = 8 * 1024 * 1024
"""Bytes in memory for all concurrent uploads together; with many, each write is smaller."""
MAX_PIECES = 64
"""Maximum number of pieces to write at a time; clients can send very short ones."""
PAGE = 1000
"""Maximum number of bodies in a page of a listing."""
ERASED = "erased"
"""The first segment of erasure records (`server.cloud.law.journal`), which are not bodies."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}(?:/[A-Za-z0-9_-]{1,128}){1,3}")


@dataclass(frozen=True, slots=True)
class StoredBody:
    """A stored body: name, length in bytes, and time of storage in epoch seconds."""

    name: str
    length: int
    time: float


class Bodies(Protocol):
    """A store of bodies by name. Every method may raise OSError or StorageError."""

    async def put(self, name: str, pieces: AsyncIterable[bytes], *, is_drawn: bool = False) -> None:
        """Store a body, replacing one of the same name; propagates errors from `pieces`.

        `is_drawn` means that the name is new and random: no reader uses it before `put` returns.
        """

    def get(self, name: str, first: int, length: int) -> AsyncIterator[bytes]:
        """Yield `length` bytes from `first` on; raises FileNotFoundError if there are fewer."""

    async def remove(self, name: str) -> None:
        """Remove a body if it exists."""

    def pages(self, kind: str = "") -> AsyncIterator[list[StoredBody]]:
        """Yield pages of all bodies, or of those whose first segment is `kind`.

        Erasure records are included only if `kind` is `ERASED`.
        """

    async def sweep(self, before: float) -> int:
        """Remove leftovers of uploads interrupted before `before`; returns their number."""


async def one_piece(body: bytes) -> AsyncIterator[bytes]:  # noqa: RUF029 - as bodies come
    """Yield a body that is in memory as a single piece."""
    yield body


class LocalBodies:
    """Bodies as files below `folder`; a new one must leave `keep_free` bytes of the disk free."""

    def __init__(
        self, folder: Path, entropy: Callable[[int], bytes], *, keep_free: int = 0
    ) -> None:
        self._folder = folder
        self._entropy = entropy
        self._room = Room(keep_free=keep_free)
        self._receiving = 0

    async def put(self, name: str, pieces: AsyncIterable[bytes], *, is_drawn: bool = False) -> None:
        """Write, sync and rename a file; raises NoRoomError if the disk is too full."""
        path = self._folder / check_name(name)
        temporary = path.with_name(f"{TEMPORARY}{self._entropy(8).hex()}")
        # An erasure frees space, so its record may use the reserved space.
        room = Room(keep_free=0) if name.startswith(f"{ERASED}/") else self._room
        file = await asyncio.to_thread(_create, temporary, room)
        self._receiving += 1
        try:
            with file:
                batch: list[bytes] = []
                length = 0
                async for piece in pieces:
                    batch.append(piece)
                    length += len(piece)
                    share = min(WRITE, RECEIVED // self._receiving)
                    if length >= share or len(batch) == MAX_PIECES:
                        await asyncio.to_thread(_write, file.fileno(), batch)
                        batch, length = [], 0
                finish = _finish_drawn if is_drawn else _finish
                await finish(file, batch, temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(temporary.unlink, missing_ok=True)
                if is_drawn:
                    await asyncio.to_thread(path.unlink, missing_ok=True)
            raise
        finally:
            self._receiving -= 1

    async def get(self, name: str, first: int, length: int) -> AsyncIterator[bytes]:
        """Read a file."""
        file = await asyncio.to_thread(_open, self._folder / check_name(name), first)
        with file:
            while length > 0:
                piece = await asyncio.to_thread(file.read, min(PIECE, length))
                if not piece:
                    raise FileNotFoundError(f"the body {name} is shorter than expected.")
                length -= len(piece)
                yield piece

    async def remove(self, name: str) -> None:
        """Remove a file."""
        await asyncio.to_thread((self._folder / check_name(name)).unlink, missing_ok=True)

    async def pages(self, kind: str = "") -> AsyncIterator[list[StoredBody]]:
        """List the files whose names are body names."""
        found = _walk(self._folder, kind)
        while page := await asyncio.to_thread(lambda: list(itertools.islice(found, PAGE))):
            yield page

    async def sweep(self, before: float) -> int:
        """Remove temporary files last written before `before`; returns their number."""
        return await asyncio.to_thread(_sweep, self._folder, before)


def check_name(name: str) -> str:
    """Return `name`; raises FormatError if it is not a body's name."""
    if _NAME.fullmatch(name) is None:
        raise FormatError(f"{name[:80]!r} is not a body's name.")
    return name


def _walk(folder: Path, kind: str) -> Iterator[StoredBody]:
    for parent, folders, files in os.walk(folder / kind):
        folders.sort()
        if not kind and Path(parent) == folder and ERASED in folders:
            folders.remove(ERASED)
        for file in sorted(files):
            path = Path(parent, file)
            name = str(path.relative_to(folder))
            with contextlib.suppress(FileNotFoundError):
                if _NAME.fullmatch(name) is not None:
                    found = path.stat()
                    yield StoredBody(name, found.st_size, found.st_mtime)


def _sweep(folder: Path, before: float) -> int:
    count = 0
    for leftover in find_temporary(folder):
        with contextlib.suppress(FileNotFoundError):
            if leftover.stat().st_mtime < before:
                leftover.unlink()
                count += 1
    return count


def _create(path: Path, room: Room) -> BinaryIO:
    make_folder(path.parent)
    check_room(1, used=0, free=shutil.disk_usage(path.parent).free, room=room)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "wb", buffering=0)


async def _finish(file: BinaryIO, rest: list[bytes], temporary: Path, path: Path) -> None:
    def finish() -> None:
        _write(file.fileno(), rest)
        os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)

    await asyncio.to_thread(finish)


async def _finish_drawn(file: BinaryIO, rest: list[bytes], temporary: Path, path: Path) -> None:
    def place() -> None:
        _write(file.fileno(), rest)
        temporary.rename(path)

    await asyncio.to_thread(place)
    # Running both syncs concurrently takes half the time.
    await asyncio.gather(
        asyncio.to_thread(os.fsync, file.fileno()), asyncio.to_thread(sync_folder, path.parent)
    )


def _write(descriptor: int, pieces: list[bytes]) -> None:
    # Write all pieces in one call, since after each call the thread has to wait for the GIL.
    written = os.writev(descriptor, pieces)
    rest = memoryview(b"".join(pieces))[written:] if written < sum(map(len, pieces)) else b""
    while rest:  # writev wrote only a part
        rest = rest[os.write(descriptor, rest) :]


def _open(path: Path, first: int) -> BinaryIO:
    file = path.open("rb", buffering=0)
    file.seek(first)
    return file


def open_bodies(
    folder: CloudFolder,
    settings: CloudSettings,
    entropy: Callable[[int], bytes],
    clock: Callable[[], float],
) -> Bodies:
    """Return the store of bodies; raises FormatError if the S3 settings are malformed.

    Reads the file with the S3 secret.
    """
    if not settings.blobs_url:
        return LocalBodies(folder.bodies, entropy, keep_free=settings.keep_free)
    # The S3 library is slow to import, and a cloud with local bodies does not need it.
    from server.cloud.storage.s3_bodies import S3Bodies  # noqa: PLC0415
    from server.storage.s3_client import decode_place, load_secret  # noqa: PLC0415

    secret = load_secret(Path(settings.s3_secret_file)) if settings.s3_secret_file else ""
    place = decode_place(
        settings.blobs_url,
        settings.s3_endpoint,
        settings.s3_region,
        settings.s3_key_id,
        secret,
    )
    return S3Bodies(place, folder.spool, clock)
