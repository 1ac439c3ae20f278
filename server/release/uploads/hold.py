"""Exclusive access of one task to an upload, and its end: as a blob, dropped, or expired.

After a crash, and when an upload has expired, it ends without its client.
"""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from server.core.errors import FormatError
from server.release.auth.audit_log import record
from server.release.uploads.limits import UploadBusyError, UploadChecksumError
from server.release.uploads.partial import ENDED, to_end, to_its_end
from server.release.uploads.partials import Partial, Partials
from server.storage.blobs import BlobStore, BlobThreads
from server.storage.control_models import Upload
from server.storage.database import Sessions
from server.storage.models import Blob

SERVER = "server"
"""The actor of what the server does by itself."""


@dataclass(eq=False)
class Holder:
    """Gives uploads to one task each.

    Two machines may send to one upload, and one of them is refused; both may finish it.
    """

    partials: Partials
    sessions: Sessions
    blobs: BlobStore
    clock: Callable[[], datetime]
    threads: BlobThreads
    after_step: Callable[[int], None] = lambda _step: None

    @contextlib.asynccontextmanager
    async def holding(self, upload: Upload) -> AsyncIterator[Partial]:
        """Open the bytes of an unfinished upload.

        Raises UploadBusyError when another task holds it, or ended it a moment ago.
        """
        file = self.partials.partial(upload.id)
        try:
            await to_end(file.open)
            async with self.sessions() as session:
                row = await session.get(Upload, upload.id)
            if row is None or row.finished_at is not None:
                await to_end(file.remove)
                raise UploadBusyError(ENDED)
            yield file
        finally:
            await to_end(file.close)

    async def finish(self, upload: Upload, file: Partial, actor: str) -> None:
        """Turn all the bytes of an upload into a blob; steps 1 to 4 of `uploads`.

        Raises UploadChecksumError for other bytes than announced, and then forgets the upload.
        """
        try:
            adopt = self.threads.run(file.adopt, self.blobs, upload.sha256, upload.length)
            await to_its_end(adopt)
        except FormatError as error:
            await self.drop(upload, file, actor, "upload.refuse")
            raise UploadChecksumError(
                "the bytes do not hash to the sha256 that the upload announced: begin again."
            ) from error
        self.after_step(2)
        now = int(self.clock().timestamp())
        async with self.sessions.begin() as session:
            row = await session.get(Upload, upload.id, with_for_update=True)
            if row is None:
                raise UploadBusyError(ENDED)
            if row.finished_at is None:  # else another machine was faster
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
        await to_end(file.remove)

    async def drop(self, upload: Upload, file: Partial | None, actor: str, action: str) -> None:
        """Forget an upload: its row, then its bytes, which a crash in between leaves to be swept.

        In the other order, a concurrent sender would send to a row about to be removed.
        """
        async with self.sessions.begin() as session:
            row = await session.get(Upload, upload.id, with_for_update=True)
            if row is not None:  # else another machine was faster
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
            await to_end(file.remove)


async def recover_uploads(partials: Partials, sessions: Sessions, holder: Holder) -> int:
    """Finish complete uploads that a crash left; returns how many."""
    done = 0
    for upload in await _load_waiting(sessions):
        if await to_end(partials.arrived, upload.id) == upload.length:
            with contextlib.suppress(UploadChecksumError, UploadBusyError):
                async with holder.holding(upload) as file:
                    await holder.finish(upload, file, upload.account)
                done += 1
    return done


async def sweep_uploads(partials: Partials, sessions: Sessions, holder: Holder, now: int) -> int:
    """Forget uploads that expired before `now`, and unneeded bytes; returns how many.

    An upload that receives bytes at this moment is left alone.
    """
    async with sessions() as session:
        expired = list(await session.scalars(select(Upload).where(Upload.expires_at <= now)))
    swept = 0
    for upload in expired:
        if upload.finished_at is not None:
            await holder.drop(upload, None, SERVER, "upload.expire")
            continue
        with contextlib.suppress(UploadBusyError):
            async with holder.holding(upload) as file:
                await holder.drop(upload, file, SERVER, "upload.expire")
            swept += 1
    names = await to_end(partials.ids)
    needed = {upload.id for upload in await _load_waiting(sessions)}
    for name in names - needed:
        await to_end(partials.remove_unheld, name)
    return swept


async def _load_waiting(sessions: Sessions) -> list[Upload]:
    async with sessions() as session:
        return list(await session.scalars(select(Upload).where(Upload.finished_at.is_(None))))
