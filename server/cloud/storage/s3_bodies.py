"""Bodies in an S3-compatible store.

A body is received completely before its upload to S3 begins. So a slow client, or one that sends
wrong bytes, does not occupy memory or leave a partial upload in S3. A body longer than `IN_MEMORY`
is kept in an unnamed temporary file, which disappears with the process.
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
"""Maximum bytes of a body in memory while it is received."""
PART = 5 * 1024 * 1024
"""Bytes in a part of a multipart upload; S3's minimum."""
AT_ONCE = 6
"""Maximum number of concurrent uploads to S3; each has at most two parts in memory."""
PATIENCE = timedelta(seconds=60)  # time without data after which a request fails
REQUEST = timedelta(minutes=10)  # maximum duration of a request
RETRIES = 3


class S3Bodies:
    """Bodies as objects in `place`; the folder `spool` holds those being received."""

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
        is_drawn: bool = False,  # noqa: ARG002 - S3 always stores an object as a whole
    ) -> None:
        """Receive a body, then store it as an object; it becomes visible as a whole."""
        await asyncio.to_thread(make_folder, self._spool)
        with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(self._spool)) as file:
            length, buffer = 0, bytearray()
            async for piece in pieces:
                buffer += piece
                if len(buffer) >= PIECE:
                    length += await asyncio.to_thread(file.write, buffer)
                    buffer = bytearray()
            length += await asyncio.to_thread(file.write, buffer)
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
        if not length:  # S3 has no empty ranges
            return
        with translated_errors("give a body"):
            found = await self._find(check_name(name), first, first + length)
            if found is not None:
                async for piece in found.stream(min_chunk_size=PIECE):
                    length -= len(piece)
                    yield bytes(piece)
        if length:
            raise FileNotFoundError(f"the body {name} is missing or shorter than expected.")

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
        """Abort multipart uploads begun before `before`; impossible with a role's credentials."""
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
