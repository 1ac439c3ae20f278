"""Reads blobs in an S3-compatible store, for many at once who want the same octets."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

import obstore
from obstore.store import S3Store

from server.storage.blobs import PIECE
from server.storage.errors import StorageError
from server.storage.s3_client import blob_key, telling
from server.storage.shared_windows import SharedWindows, Window

WINDOW = 8 * 1024 * 1024  # octets of one request to S3: the block that phones ask for
KEPT = 16  # windows in memory, 128 MiB: those that come and those that were read last
# Octets that a reader fetches for itself: one that is too slow for the windows, or wants little.
STEP = 256 * 1024


class S3Reader:
    """Gives ranges of blobs; windows of them are fetched once for all who read them.

    Memory: `kept` windows, and beyond them at most a STEP for each reader.
    """

    def __init__(self, store: S3Store, *, kept: int = KEPT) -> None:
        self._store = store
        self._windows = SharedWindows(self._fetch, kept)

    @contextlib.asynccontextmanager
    async def open_range(
        self, sha256: str, first: int, length: int
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Give the `length` octets from `first` on, in pieces; the first is fetched here."""
        pieces = self._read(blob_key(sha256), first, first + length)
        async with contextlib.aclosing(pieces):
            begin = await anext(pieces, b"")
            async with contextlib.aclosing(_chain(begin, pieces)) as all_pieces:
                yield all_pieces

    async def _read(self, key: str, first: int, end: int) -> AsyncGenerator[bytes, None]:
        while first < end:
            number = first // WINDOW
            stop = min(end, (number + 1) * WINDOW)
            if stop - first > STEP or self._windows.has(key, number):
                with self._windows.reading(key, number) as window:
                    async for piece in _read_window(window, first % WINDOW, stop - first):
                        first += len(piece)
                        yield piece
            while first < stop:  # there is no such window, or it was given up
                step = min(stop, first + STEP)
                async for piece in self._fetch_range(key, first, step):
                    first += len(piece)
                    yield piece
                if first < step:
                    raise StorageError("a blob in the S3 store is shorter than it was: look at it.")

    def _fetch(self, key: str, number: int) -> AsyncGenerator[bytes, None]:
        return self._fetch_range(key, number * WINDOW, (number + 1) * WINDOW)

    async def _fetch_range(self, key: str, first: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yield what there is between two offsets, in pieces that all but the last are whole."""
        with telling("give a blob"):
            found = await obstore.get_async(self._store, key, options={"range": (first, end)})
            if found.range[0] != first:
                raise StorageError("the S3 store answers with another range than was asked for.")
            left, rest = found.range[1] - first, b""
            # The end is known by its offset: a reader that has the last octet does not wait for
            # the store to say that there are no more.
            async for chunk in found.stream(min_chunk_size=PIECE):
                left -= len(chunk)
                view = memoryview(rest + bytes(chunk))
                whole = len(view) - len(view) % PIECE if left > 0 else len(view)
                for start in range(0, whole, PIECE):
                    yield bytes(view[start : start + PIECE])
                rest = bytes(view[whole:])
                if left <= 0:
                    return
            raise StorageError("the S3 store does not give a blob to the end.")


async def _chain(begin: bytes, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    if begin:
        yield begin
    async for piece in pieces:
        yield piece


async def _read_window(
    window: Window | None, first: int, length: int
) -> AsyncGenerator[bytes, None]:
    """Yield octets of a window until it is given up; raises StorageError where it ends early."""
    while window is not None and length:
        piece = await window.piece(first // PIECE)
        if piece is None:
            return
        piece = piece[first % PIECE :][:length]
        if not piece:
            raise StorageError("a blob in the S3 store is shorter than it was: look at it.")
        first, length = first + len(piece), length - len(piece)
        yield piece
