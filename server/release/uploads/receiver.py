"""Exclusive access to an upload: one task receives parts, then makes a blob of it or drops it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from server.core.errors import FormatError
from server.release.auth.audit_log import record
from server.release.errors import TooLargeError
from server.release.uploads.headers import Checksum
from server.release.uploads.limits import UploadBusyError, UploadChecksumError, UploadStalledError
from server.release.uploads.partials import ENDED, Partial, Partials
from server.storage.blobs import BlobStore, BlobThreads
from server.storage.database import Sessions
from server.storage.models import Blob, Upload

P = ParamSpec("P")
T = TypeVar("T")
_THREADS = BlobThreads()
"""Threads for uploads only, so that many sending clients do not delay publishing."""
TOO_LONG = (
    "the part exceeds the length that the upload announced: send only the rest, or create another"
    " upload."
)
BATCH = 1 << 20
"""Bytes collected before a thread writes them: single reads of a socket have about 64 KiB."""


async def run_to_completion(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Run `function` in a thread; if cancelled, wait for its end before raising.

    So no file is closed or unlocked while a thread still writes to it.
    """
    return await await_completion(_THREADS.run(function, *arguments, **options))


async def await_completion(call: Coroutine[Any, Any, T]) -> T:
    """Await a call that runs in a thread; if cancelled, wait for its end before raising."""
    work = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


async def receive(
    file: Partial,
    pieces: AsyncIterator[bytes],
    room: int,
    checksum: Checksum | None,
    silence: float,
) -> None:
    """Append the bytes of one part, at most `room`; on return they are durable.

    If the part ends early, by a lost connection or a pause of `silence` seconds, the bytes so far
    stay and are durable; of a part with a `checksum` none stay. Of a part longer than `room`, none
    stay in a file; in S3 full pieces stay, since the whole upload is hashed in the end. The error
    is raised to the caller.
    """
    start, is_whole = file.offset, False
    if checksum is not None:
        await run_to_completion(file.begin)
    try:
        try:
            await _copy(file, pieces, room, checksum, silence)
        except TooLargeError:
            await run_to_completion(file.truncate, start)
            raise
        if checksum is not None:
            checksum.check()
        is_whole = True
    finally:
        if checksum is not None and not is_whole:
            await run_to_completion(file.truncate, start)
        await run_to_completion(file.commit)


async def _copy(
    file: Partial,
    pieces: AsyncIterator[bytes],
    room: int,
    checksum: Checksum | None,
    silence: float,
) -> None:
    batch = bytearray()
    try:
        while True:
            try:
                async with asyncio.timeout(silence):
                    piece = await anext(pieces, None)
            except TimeoutError as error:
                raise UploadStalledError(
                    "the part paused for too long: the bytes so far are kept, continue from there."
                ) from error
            if piece is None:
                break
            room -= len(piece)
            if room < 0:
                raise TooLargeError(TOO_LONG)
            batch += piece
            if len(batch) >= BATCH:
                # Cleared before the write, so that a failed write is not repeated below.
                full, batch = bytes(batch), bytearray()
                await run_to_completion(_take, file, full, checksum)
    finally:
        if batch:
            await run_to_completion(_take, file, bytes(batch), checksum)


def _take(file: Partial, data: bytes, checksum: Checksum | None) -> None:
    if checksum is not None:
        checksum.feed(data)
    file.write(data)


@dataclass(eq=False)
class Receiver:
    """Opens each upload for one task at a time, finishes it, and drops it.

    On two machines, both may open one upload: then one of them fails when it appends. Both may
    finish it.
    """

    partials: Partials
    sessions: Sessions
    blobs: BlobStore
    clock: Callable[[], datetime]
    threads: BlobThreads
    after_step: Callable[[int], None] = lambda _step: None

    @contextlib.asynccontextmanager
    async def holding(self, upload: Upload) -> AsyncIterator[Partial]:
        """Open the bytes of an unfinished upload until the block ends.

        Raises UploadBusyError if another task has it open, or has just ended it.
        """
        file = self.partials.partial(upload.id)
        try:
            await run_to_completion(file.open)
            async with self.sessions() as session:
                row = await session.get(Upload, upload.id)
            if row is None or row.finished_at is not None:
                await run_to_completion(file.remove)
                raise UploadBusyError(ENDED)
            yield file
        finally:
            await run_to_completion(file.close)

    async def finish(self, upload: Upload, file: Partial, actor: str) -> None:
        """Make a blob of the complete upload: steps 1 to 4 of `uploads`.

        If the bytes do not have the announced hash, drops the upload and raises
        UploadChecksumError.
        """
        try:
            adopt = self.threads.run(file.adopt, self.blobs, upload.sha256, upload.length)
            await await_completion(adopt)
        except FormatError as error:
            await self.drop(upload, file, actor, "upload.refuse")
            raise UploadChecksumError(
                "the bytes do not have the sha256 that the upload announced: start it again."
            ) from error
        self.after_step(2)
        now = int(self.clock().timestamp())
        async with self.sessions.begin() as session:
            row = await session.get(Upload, upload.id, with_for_update=True)
            if row is None:
                raise UploadBusyError(ENDED)
            if row.finished_at is None:  # else another machine has finished it
                await session.merge(
                    Blob(sha256=upload.sha256, length=upload.length, verified_at=now)
                )
                row.finished_at = now
                await session.flush()
                await record(
                    session,
                    at=now,
                    actor=actor,
                    action="upload.finish",
                    subject=upload.id,
                    detail={"length": upload.length, "sha256": upload.sha256},
                )
        self.after_step(3)
        await run_to_completion(file.remove)

    async def drop(self, upload: Upload, file: Partial | None, actor: str, action: str) -> None:
        """Delete an upload: its row first, then its bytes.

        After a crash in between, `Uploads.sweep` removes the bytes. In the other order, a client
        could still send to an upload whose row is about to be deleted.
        """
        async with self.sessions.begin() as session:
            row = await session.get(Upload, upload.id, with_for_update=True)
            if row is not None:  # else another machine has deleted it
                await session.delete(row)
                await session.flush()
                await record(
                    session,
                    at=int(self.clock().timestamp()),
                    actor=actor,
                    action=action,
                    subject=upload.id,
                    detail={"length": upload.length, "sha256": upload.sha256},
                )
        if file is not None:
            await run_to_completion(file.remove)
