"""Blobs in an S3-compatible store: `PREFIX/xx/SHA256`, named as in a local folder.

A small blob is put in one part, on condition that its name is free. A longer one is uploaded in
several parts, which S3 shows as one object once all are complete. That upload is unconditional,
which is safe: two writers of a name write the same bytes, since the hash is checked before the last
step.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError

from server.core.errors import FormatError
from server.storage.blobs import (
    PIECE,
    StoredBlob,
    open_source,
    read_checked,
    read_pieces,
    write_blob,
)
from server.storage.durable import PRIVATE
from server.storage.errors import StorageError
from server.storage.s3_client import (
    ABANDONED_AFTER,
    PART,
    S3Place,
    S3Uploads,
    blob_key,
    get_range,
    open_store,
    put_parts,
    translated_errors,
)
from server.storage.shared_windows import SharedWindows, Window

WINDOW = 8 * 1024 * 1024  # bytes of one request to S3: the block that phones ask for
WINDOWS = 16  # windows in memory, 128 MiB: those being fetched and the last read ones
# Bytes per request of a reader without a window: it is too slow for windows, or reads little.
STEP = 256 * 1024
MAX_SINGLE_REQUESTS = 16  # for more unknown lengths, all blobs are listed, a thousand per answer
PATIENCE = timedelta(seconds=60)  # how long S3 may be silent; a part must be sent in this time
REQUEST = timedelta(hours=1)  # how long one request may take as a whole
RETRIES = 3
REMOVAL = timedelta(seconds=2)  # for one request, and until the last retry begins


class S3Blobs:
    """A `BlobStore` in a bucket; windows of blobs are fetched once for all their readers.

    Memory: `WINDOWS` windows, and beyond them at most a STEP for each reader.
    """

    def __init__(
        self,
        place: S3Place,
        clock: Callable[[], datetime],
        *,
        patience: timedelta = PATIENCE,
        retries: int = RETRIES,
    ) -> None:
        self._uploads = S3Uploads(place, clock)
        self._known: dict[str, int] = {}
        self._store = open_store(place, patience, REQUEST, retries)
        self._windows = SharedWindows(self._fetch, WINDOWS)
        self._removing = open_store(place, min(patience, REMOVAL), REMOVAL, retries)

    def length(self, sha256: str) -> int | None:
        """Ask S3 for a blob's length in bytes; None when it is missing."""
        with translated_errors("say whether it has a blob"):
            try:
                found = obstore.head(self._store, blob_key(sha256))
            except FileNotFoundError:
                self._known.pop(sha256, None)
                return None
        self._known[sha256] = found["size"]
        return found["size"]

    def lengths(self, names: Collection[str]) -> dict[str, int]:
        """Return the length in bytes of each of `names` that exists; asks only for unknown ones."""
        unknown = set(names) - self._known.keys()
        if len(unknown) > MAX_SINGLE_REQUESTS:
            self._known |= {blob.sha256: blob.length for blob in self.list()}
        else:
            for name in sorted(unknown):
                self.length(name)
        return {name: self._known[name] for name in names if name in self._known}

    @contextlib.asynccontextmanager
    async def open_file(self, sha256: str, length: int) -> AsyncIterator[None]:
        """Yield None: the store has no files."""
        del sha256, length
        yield None

    @contextlib.asynccontextmanager
    async def open_range(
        self, sha256: str, first: int, length: int
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yield the `length` bytes from `first` on, in pieces; the first is fetched here."""
        pieces = self._read(blob_key(sha256), first, first + length)
        async with contextlib.aclosing(pieces):
            begin = await anext(pieces, b"")
            async with contextlib.aclosing(_chain(begin, pieces)) as all_pieces:
                yield all_pieces

    def ingest(self, source: Path, sha256: str, length: int) -> None:
        """Upload `source`, unless its blob exists; refuse bytes with another hash.

        A crash leaves invisible parts, never a blob under a name that is not its hash.
        """
        present = self.length(sha256)
        if present == length:
            return
        with open_source(source, sha256, length) as reader:
            pieces = read_checked(read_pieces(reader, length), sha256, length)
            if length > PART:
                with translated_errors("take a blob"):
                    put_parts(self._store, blob_key(sha256), pieces, length)
            else:
                self._put(b"".join(pieces), sha256, is_new=present is None)
        if self.length(sha256) != length:
            raise StorageError(
                f"the S3 store does not hold the blob {sha256[:16]} as it was sent: check it."
            )

    def adopt(self, source: Path, sha256: str, length: int) -> None:
        """Upload `source`: a remote store has no hard links."""
        self.ingest(source, sha256, length)

    def verify(self, sha256: str, length: int) -> None:
        """Read a blob again and raise FormatError unless it has the hash in its name."""
        for _ in self.read(sha256, length):
            pass

    def read(self, sha256: str, length: int) -> Iterator[bytes]:
        """Yield a blob's bytes; raises FormatError at their end unless they have its hash."""
        return read_checked(self._read_all(sha256), sha256, length)

    def copy(
        self, sha256: str, length: int, target: Path, *, mode: int = PRIVATE, link: bool = False
    ) -> None:
        """Write a blob to the file `target`; nothing in S3 can be linked."""
        del link
        write_blob(self._read_all(sha256), sha256, length, target, mode)

    def list(self) -> Iterator[StoredBlob]:
        """Yield every blob."""
        with translated_errors("list its blobs"):
            for found in obstore.list(self._store):
                for meta in found:
                    sha256 = meta["path"].rpartition("/")[2]
                    with contextlib.suppress(FormatError):
                        if meta["path"] == blob_key(sha256):
                            time = meta["last_modified"].timestamp()
                            yield StoredBlob(sha256, meta["size"], time)

    def remove(self, sha256: str) -> None:
        """Remove a blob; a missing one is no error.

        The request has a short timeout: no retry may hit a blob that was uploaded again meanwhile.
        """
        self._known.pop(sha256, None)
        with translated_errors("remove a blob"), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._removing, blob_key(sha256))

    def free(self) -> None:
        """Return None: a bucket has no known limit."""

    def sweep(self) -> None:
        """Abort the uploads that crashed ingests left, if the settings have a key to sign with."""
        self._uploads.abort(ABANDONED_AFTER)

    def _put(self, data: bytes, sha256: str, *, is_new: bool) -> None:
        with translated_errors("take a blob"):
            try:
                obstore.put(
                    self._store,
                    blob_key(sha256),
                    data,
                    mode="create" if is_new else "overwrite",
                    use_multipart=False,
                )
            except AlreadyExistsError:
                return  # another process was faster; its length is checked next

    def _read_all(self, sha256: str) -> Iterator[bytes]:
        with translated_errors("give a blob"):
            try:
                found = obstore.get(self._store, blob_key(sha256))
            except FileNotFoundError as error:
                raise FormatError(f"the blob {sha256[:16]} is not there.") from error
            for piece in found.stream(min_chunk_size=PIECE):
                yield bytes(piece)

    async def _read(self, key: str, first: int, end: int) -> AsyncGenerator[bytes, None]:
        while first < end:
            number = first // WINDOW
            stop = min(end, (number + 1) * WINDOW)
            if stop - first > STEP or self._windows.has(key, number):
                with self._windows.reading(key, number) as window:
                    async for piece in _read_window(window, first % WINDOW, stop - first):
                        first += len(piece)
                        yield piece
            while first < stop:  # without a window, or after it was dropped
                step = min(stop, first + STEP)
                async for piece in self._fetch_range(key, first, step):
                    first += len(piece)
                    yield piece
                if first < step:
                    raise StorageError(
                        "a blob in the S3 store is shorter than it was: check the store."
                    )

    def _fetch(self, key: str, number: int) -> AsyncGenerator[bytes, None]:
        return self._fetch_range(key, number * WINDOW, (number + 1) * WINDOW)

    async def _fetch_range(self, key: str, first: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes between two offsets, in full pieces except the last; fewer at the end."""
        with translated_errors("give a blob"):
            found = await get_range(self._store, key, first, end)
            if found is None:
                return
            if found.range[0] != first:
                raise StorageError("the S3 store answers with another range than was requested.")
            remaining, rest = found.range[1] - first, b""
            # The end is known by its offset: a reader that has the last byte does not wait for the
            # store's end of stream.
            async for chunk in found.stream(min_chunk_size=PIECE):
                remaining -= len(chunk)
                view = memoryview(rest + bytes(chunk))
                whole = len(view) - len(view) % PIECE if remaining > 0 else len(view)
                for start in range(0, whole, PIECE):
                    yield bytes(view[start : start + PIECE])
                rest = bytes(view[whole:])
                if remaining <= 0:
                    return
            raise StorageError("the S3 store does not give the whole blob.")


async def _chain(begin: bytes, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    if begin:
        yield begin
    async for piece in pieces:
        yield piece


async def _read_window(
    window: Window | None, first: int, length: int
) -> AsyncGenerator[bytes, None]:
    """Yield bytes of a window until it is dropped; raises StorageError if it ends early."""
    while window is not None and length:
        piece = await window.piece(first // PIECE)
        if piece is None:
            return
        piece = piece[first % PIECE :][:length]
        if not piece:
            raise StorageError("a blob in the S3 store is shorter than it was: check the store.")
        first, length = first + len(piece), length - len(piece)
        yield piece
