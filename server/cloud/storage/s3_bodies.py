"""Bodies in an S3-compatible store.

A body is received whole before S3 is asked: a client that is slow, or that sends the wrong bytes,
holds no memory and no part of an upload there. What is longer than `IN_MEMORY` waits in a file
without a name, which ends with the process.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import obstore
from obstore.store import S3Store

from server.cloud.storage.bodies import ERASED, PAGE, PIECE, StoredBody, check_name
from server.storage.durable import make_folder
from server.storage.s3_client import S3Place, S3Uploads, get_range, open_store, translated_errors

IN_MEMORY = 512 * 1024
"""Bytes of a body that are in memory while it is received."""
PART = 5 * 1024 * 1024
"""Bytes of a part of an upload: S3 takes no smaller ones."""
AT_ONCE = 6
"""Bodies on their way to S3; each has two parts in memory at most."""
PATIENCE = timedelta(seconds=60)  # how long S3 may be silent
REQUEST = timedelta(minutes=10)  # how long one request may take as a whole
RETRIES = 3


class S3Bodies:
    """Bodies as objects of `place`; those that are received wait in the folder `spool`."""

    def __init__(self, place: S3Place, spool: Path, clock: Callable[[], float]) -> None:
        self._store: S3Store = open_store(place, PATIENCE, REQUEST, RETRIES)
        self._spool = spool
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._uploads = S3Uploads(place, lambda: datetime.fromtimestamp(clock(), UTC))

    async def put(
        self,
        name: str,
        pieces: AsyncIterable[bytes],
        *,
        is_drawn: bool = False,  # noqa: ARG002 - an object is there as a whole in any case
    ) -> None:
        """Receive a body and put it as an object; it is seen once all of it is there."""
        await asyncio.to_thread(make_folder, self._spool)
        with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(self._spool)) as file:
            length, held = 0, bytearray()
            async for piece in pieces:
                held += piece
                if len(held) >= PIECE:
                    length += await asyncio.to_thread(file.write, held)
                    held = bytearray()
            length += await asyncio.to_thread(file.write, held)
            await asyncio.to_thread(file.seek, 0)
            async with self._turns:
                with translated_errors("take a body"):
                    await obstore.put_async(
                        self._store,
                        check_name(name),
                        _read(file),
                        use_multipart=length > PART,
                        chunk_size=PART,
                        max_concurrency=1,
                    )

    async def get(self, name: str, first: int, length: int) -> AsyncIterator[bytes]:
        """Get a part of an object."""
        if not length:  # S3 knows no empty range
            return
        with translated_errors("give a body"):
            found = await self._find(check_name(name), first, first + length)
            if found is not None:
                async for piece in found.stream(min_chunk_size=PIECE):
                    length -= len(piece)
                    yield bytes(piece)
        if length:
            raise FileNotFoundError(f"the body {name} is not there, or shorter than it was.")

    async def remove(self, name: str) -> None:
        """Delete an object."""
        with translated_errors("remove a body"), contextlib.suppress(FileNotFoundError):
            await obstore.delete_async(self._store, check_name(name))

    async def pages(self, kind: str = "") -> AsyncIterator[list[StoredBody]]:
        """List objects."""
        with translated_errors("list its bodies"):
            async for page in obstore.list(self._store, prefix=kind or None, chunk_size=PAGE):
                yield [
                    StoredBody(each["path"], each["size"], each["last_modified"].timestamp())
                    for each in page
                    if kind or not each["path"].startswith(f"{ERASED}/")
                ]

    async def sweep(self, before: float) -> int:
        """Abort uploads in parts that began before `before`; a role's key cannot sign for it."""
        age = self._uploads.clock() - datetime.fromtimestamp(before, UTC)
        return await asyncio.to_thread(self._uploads.abort, age)

    async def _find(self, name: str, first: int, end: int) -> "obstore.GetResult | None":
        try:
            return await get_range(self._store, name, first, end)
        except FileNotFoundError:
            return None


async def _read(file: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, PIECE):
        yield piece
