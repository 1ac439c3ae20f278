"""Bodies that are too large for a row, in a folder or in S3.

A body has a name of segments, such as `chunks/COLLECTION/SHA256`. It is there after a crash if
`put` returned, and never in parts: a body whose pieces end with an error was never there.
"""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterable, AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO, Protocol

import obstore
from obstore.store import S3Store

from server.core.errors import FormatError
from server.storage.bounded import TEMPORARY
from server.storage.durable import make_folder, sync_folder
from server.storage.s3_client import telling

PIECE = 256 * 1024
"""Bytes that are read or written at a time."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}(?:/[A-Za-z0-9_-]{1,128}){1,3}")


class Bodies(Protocol):
    """A store of bodies by name. Every method may raise OSError or StorageError."""

    async def put(self, name: str, pieces: AsyncIterable[bytes]) -> None:
        """Keep a body; one of the same name is replaced. An error of `pieces` goes on to here."""

    def get(self, name: str, first: int, length: int) -> AsyncIterator[bytes]:
        """Yield `length` bytes from `first` on, which are there."""

    async def remove(self, name: str) -> None:
        """Remove a body; one that is not there is no error."""


async def one_piece(body: bytes) -> AsyncIterator[bytes]:  # noqa: RUF029 - as bodies come
    """Yield a body that is in memory."""
    yield body


class LocalBodies:
    """Bodies as files below `folder`."""

    def __init__(self, folder: Path, entropy: Callable[[int], bytes]) -> None:
        self._folder = folder
        self._entropy = entropy

    async def put(self, name: str, pieces: AsyncIterable[bytes]) -> None:
        """Write, flush and rename a file."""
        path = self._folder / _check(name)
        temporary = path.with_name(f"{TEMPORARY}{self._entropy(8).hex()}")
        file = await asyncio.to_thread(_create, temporary)
        try:
            with file:
                held = bytearray()
                async for piece in pieces:
                    held += piece
                    if len(held) >= PIECE:
                        await asyncio.to_thread(_write, file, held)
                        held = bytearray()
                await asyncio.to_thread(_finish, file, held, temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(temporary.unlink, missing_ok=True)
            raise

    async def get(self, name: str, first: int, length: int) -> AsyncIterator[bytes]:
        """Read a file."""
        file = await asyncio.to_thread(_open, self._folder / _check(name), first)
        with file:
            while length > 0:
                piece = await asyncio.to_thread(file.read, min(PIECE, length))
                if not piece:
                    raise FileNotFoundError(f"the body {name} is shorter than it was.")
                length -= len(piece)
                yield piece

    async def remove(self, name: str) -> None:
        """Remove a file."""
        await asyncio.to_thread((self._folder / _check(name)).unlink, missing_ok=True)


class S3Bodies:
    """Bodies as objects of an S3-compatible `store`."""

    def __init__(self, store: S3Store) -> None:
        self._store = store

    async def put(self, name: str, pieces: AsyncIterable[bytes]) -> None:
        """Put an object; it is seen once all of it is there."""
        with telling("take a body"):
            await obstore.put_async(self._store, _check(name), pieces)

    async def get(self, name: str, first: int, length: int) -> AsyncIterator[bytes]:
        """Get a part of an object."""
        with telling("give a body"):
            end = first + length
            found = await obstore.get_async(
                self._store, _check(name), options={"range": (first, end)}
            )
            async for piece in found.stream(min_chunk_size=PIECE):
                yield bytes(piece)

    async def remove(self, name: str) -> None:
        """Delete an object."""
        with telling("remove a body"), contextlib.suppress(FileNotFoundError):
            await obstore.delete_async(self._store, _check(name))


def _check(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise FormatError(f"{name[:80]!r} is no name of a body.")
    return name


def _create(path: Path) -> BinaryIO:
    make_folder(path.parent)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "wb", buffering=0)


def _finish(file: BinaryIO, rest: bytearray, temporary: Path, path: Path) -> None:
    _write(file, rest)
    os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def _write(file: BinaryIO, data: bytearray) -> None:
    left = memoryview(data)
    while left:  # a raw file may take less than it is given
        left = left[file.write(left) :]


def _open(path: Path, first: int) -> BinaryIO:
    file = path.open("rb", buffering=0)
    file.seek(first)
    return file
