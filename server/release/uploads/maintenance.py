"""Maintenance of uploads without their clients: after a crash, and when they have expired."""

import contextlib

from sqlalchemy import select

from server.release.uploads.hold import Holder
from server.release.uploads.limits import UploadBusyError, UploadChecksumError
from server.release.uploads.partial import to_end
from server.release.uploads.partials import Partials
from server.storage.control_models import Upload
from server.storage.database import Sessions

SERVER = "server"
"""The actor of what the server does by itself."""


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
