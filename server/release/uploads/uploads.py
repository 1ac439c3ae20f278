"""Uploads from their announcement to the blob: the protocol tus 1.0.0 without its HTTP.

An upload is a row with its account, length and hash, and the bytes so far: a file (`partials`), or
pieces in S3 (`s3_partials`). When the last byte has arrived, the upload becomes a blob:

    1  the bytes are hashed                    a crash leaves a complete upload: finished later
    2  they are added to the blob store        a crash leaves a blob without a row: finished later
    3  in one transaction: upload's row,       a crash leaves bytes that are not needed: swept
       blob's row, audit log
    4  the file or the pieces are removed

So once the answer or the offset says that an upload is complete, a submission may name its blob.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from sqlalchemy import and_, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.release.auth.audit_log import SERVER, record
from server.release.auth.principal import Permission, Principal
from server.release.errors import NotFoundError, TooLargeError
from server.release.uploads.headers import Checksum
from server.release.uploads.limits import (
    OffsetError,
    UploadBusyError,
    UploadChecksumError,
    check_blob_quota,
    check_quota,
    check_space,
)
from server.release.uploads.partials import Partials, is_upload_name, open_partials
from server.release.uploads.receiver import TOO_LONG, Receiver, receive, run_to_completion
from server.settings import Settings
from server.storage.blobs import BlobStore, BlobThreads
from server.storage.database import Sessions
from server.storage.layout import StateFolder
from server.storage.models import Blob, Upload

KEPT_FINISHED = 1000  # finished uploads of an account; older ones are forgotten
SILENCE_SECONDS = 30.0  # the longest pause within a part before it counts as interrupted
EVERY_SECONDS = 600.0  # short against the lifetime of an upload, a day


class UploadView(msgspec.Struct, frozen=True):
    """The progress of an upload."""

    id: str
    sha256: str
    length: Annotated[int, msgspec.Meta(description="Bytes in all.")]
    offset: Annotated[int, msgspec.Meta(description="Bytes that have arrived.")]
    expires: Annotated[int, msgspec.Meta(description="Epoch seconds.")]


def _show(upload: Upload, offset: int) -> UploadView:
    """Return the state of an upload's row, of which `offset` bytes have arrived."""
    return UploadView(upload.id, upload.sha256, upload.length, offset, upload.expires_at)


class Uploads:
    """All uploads of a site.

    `free` returns the free bytes on a folder's disk, `entropy(n)` n random bytes. `after_step` is
    called with the number of each finished step above. `partials` defaults to those of `folder`.
    """

    def __init__(
        self,
        folder: StateFolder,
        sessions: Sessions,
        blobs: BlobStore,
        clock: Callable[[], datetime],
        entropy: Callable[[int], bytes],
        free: Callable[[Path], int],
        settings: Settings,
        after_step: Callable[[int], None] = lambda _step: None,
        partials: Partials | None = None,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._sessions = sessions
        self._clock = clock
        self._entropy = entropy
        self._free = free
        self._blobs = blobs
        self._threads = BlobThreads()
        self._partials = open_partials(folder) if partials is None else partials
        self._receiver = Receiver(self._partials, sessions, blobs, clock, self._threads, after_step)
        self._creating = asyncio.Lock()

    async def blob_length(self, sha256: str) -> int | None:
        """Return the length of a blob that is in the store and in the database, else None."""
        length = await self._threads.run(self._blobs.length, sha256)
        async with self._sessions() as session:
            found = await session.get(Blob, sha256)
        return length if found is not None and found.length == length else None

    async def create(self, principal: Principal, length: int, sha256: str) -> UploadView:
        """Create an upload of `length` bytes with the hash `sha256`.

        If the blob exists, the upload is complete already. Raises TooLargeError, and QuotaError or
        RateError if there is no room for it now.
        """
        principal.check(Permission.UPLOAD)
        limit = self._settings.upload_limit
        if length > limit:
            raise TooLargeError(
                f"an upload may have at most {limit} bytes: send less, or have the operator raise"
                " `upload_limit`."
            )
        is_here = await self.blob_length(sha256) == length
        now = self._now()
        upload = Upload(
            id=self._entropy(16).hex(),
            account=principal.name,
            length=length,
            sha256=sha256,
            created_at=now,
            expires_at=self._expiry(now),
            finished_at=now if is_here else None,
        )
        async with self._creating:  # so that two uploads do not both take the last room
            if not is_here:
                await self._check_room(upload)
            async with self._sessions.begin() as session:
                await self._forget_finished(session, principal.name)
                session.add(upload)
                await session.flush()
                await record(
                    session,
                    at=now,
                    actor=principal.actor,
                    action="upload.create",
                    subject=upload.id,
                    detail={"length": length, "sha256": sha256},
                )
        return await self._state(upload, principal)

    async def get(self, principal: Principal, upload_id: str) -> UploadView:
        """Return the state of an upload; a complete one that a crash interrupted is finished first.

        Raises NotFoundError, also if the blob of a finished upload was removed since.
        """
        upload = await self._load(principal, upload_id)
        if upload.finished_at is not None and await self.blob_length(upload.sha256) is None:
            raise NotFoundError("the blob of this upload was removed since: upload it again.")
        return await self._state(upload, principal)

    async def append(
        self,
        principal: Principal,
        upload_id: str,
        offset: int,
        pieces: AsyncIterator[bytes],
        declared: int | None,
        checksum: Checksum | None,
    ) -> UploadView:
        """Receive a part that begins at `offset`, of `declared` bytes if known.

        Raises OffsetError, TooLargeError, UploadBusyError, QuotaError, UploadStalledError and
        UploadChecksumError; see `receive` for the bytes that are kept then. If the complete upload
        does not have the announced sha256, it is deleted.
        """
        upload = await self._load(principal, upload_id)
        if upload.finished_at is not None:
            if offset != upload.length:
                raise OffsetError(upload.length)
            if declared != 0 and await anext(pieces, b"") != b"":
                raise TooLargeError("the upload is complete already: send nothing more.")
            return _show(upload, upload.length)
        async with self._receiver.holding(upload) as file:
            present = file.offset
            if offset != present:
                raise OffsetError(present)
            room = upload.length - offset
            if declared is not None and declared > room:
                raise TooLargeError(TOO_LONG)
            upload.expires_at = await self._extend(upload.id)
            await receive(file, pieces, room, checksum, SILENCE_SECONDS)
            present = file.offset
            if present == upload.length:
                await self._receiver.finish(upload, file, principal.actor)
        return _show(upload, present)

    async def remove(self, principal: Principal, upload_id: str) -> None:
        """Delete an upload; the blob of a finished one stays."""
        upload = await self._load(principal, upload_id)
        if upload.finished_at is not None:
            await self._receiver.drop(upload, None, principal.actor, "upload.remove")
            return
        async with self._receiver.holding(upload) as file:
            await self._receiver.drop(upload, file, principal.actor, "upload.remove")

    async def tidy(self) -> None:
        """Remove temporary files after a crash; call it at the start, before any request."""
        await asyncio.to_thread(self._partials.tidy)

    async def run_retention(self, alarm: Callable[[str], None]) -> None:
        """Recover and sweep now, and then every ten minutes, until cancelled.

        Failures are reported to `alarm` and retried.
        """
        while True:
            try:
                await self.recover()
                await self.sweep()
            except Exception as error:  # noqa: BLE001 - a bug must not end the task; it is retried
                alarm(f"uploads cannot be finished or swept: {error}")
            await asyncio.sleep(EVERY_SECONDS)

    async def recover(self) -> None:
        """Finish complete uploads that a crash left unfinished."""
        async with self._sessions() as session:
            waiting = await _load_waiting(session)
        for upload in waiting:
            if await run_to_completion(self._partials.arrived, upload.id) == upload.length:
                with contextlib.suppress(UploadChecksumError, UploadBusyError):
                    async with self._receiver.holding(upload) as file:
                        await self._receiver.finish(upload, file, upload.account)

    async def sweep(self) -> int:
        """Delete expired uploads, and bytes that belong to no unfinished upload.

        Returns the number of unfinished uploads that were deleted. Uploads that are open are
        skipped.
        """
        async with self._sessions() as session:
            query = select(Upload).where(Upload.expires_at <= self._now())
            expired = list(await session.scalars(query))
        swept = 0
        for upload in expired:
            if upload.finished_at is not None:
                await self._receiver.drop(upload, None, SERVER, "upload.expire")
                continue
            with contextlib.suppress(UploadBusyError):
                async with self._receiver.holding(upload) as file:
                    await self._receiver.drop(upload, file, SERVER, "upload.expire")
                swept += 1
        names = await run_to_completion(self._partials.ids)
        async with self._sessions() as session:
            needed = {upload.id for upload in await _load_waiting(session)}
        for name in names - needed:
            await run_to_completion(self._partials.remove_unlocked, name)
        return swept

    async def _check_room(self, upload: Upload) -> None:
        async with self._sessions() as session:
            waiting = await _load_waiting(session)
            used = int(await session.scalar(select(func.sum(Blob.length))) or 0)
        check_quota(upload, waiting, self._settings)
        check_blob_quota(upload, used + sum(each.length for each in waiting), self._settings)

        def check() -> None:
            missing = self._partials.reserve(waiting)
            check_space(upload, missing, self._free(self._folder.root), self._settings)

        await run_to_completion(check)

    async def _forget_finished(self, session: AsyncSession, account: str) -> None:
        """Delete the rows of an account's finished uploads, except the newest; the blobs stay."""
        whole = and_(Upload.account == account, Upload.finished_at.is_not(None))
        newest = (
            select(Upload.id)
            .where(whole)
            .order_by(Upload.finished_at.desc(), Upload.id)
            .limit(KEPT_FINISHED)
        )
        await session.execute(delete(Upload).where(whole, Upload.id.not_in(newest)))

    async def _load(self, principal: Principal, upload_id: str) -> Upload:
        """Load a principal's own upload; one of another account counts as missing."""
        principal.check(Permission.UPLOAD)
        found = None
        if is_upload_name(upload_id):
            async with self._sessions() as session:
                found = await session.get(Upload, upload_id)
        if found is None or found.account != principal.name or found.expires_at <= self._now():
            raise NotFoundError("you have no such upload: it may have expired.")
        return found

    async def _state(self, upload: Upload, principal: Principal) -> UploadView:
        if upload.finished_at is None:
            offset = await run_to_completion(self._partials.arrived, upload.id)
            if offset < upload.length:
                return _show(upload, offset)
            async with self._receiver.holding(upload) as file:
                await self._receiver.finish(upload, file, principal.actor)
        return _show(upload, upload.length)

    async def _extend(self, upload_id: str) -> int:
        expires_at = self._expiry(self._now())
        change = update(Upload).where(Upload.id == upload_id).values(expires_at=expires_at)
        async with self._sessions.begin() as session:
            await session.execute(change)
        return expires_at

    def _now(self) -> int:
        return int(self._clock().timestamp())

    def _expiry(self, now: int) -> int:
        return now + self._settings.upload_hours * 3600


async def _load_waiting(session: AsyncSession) -> Sequence[Upload]:
    return (await session.scalars(select(Upload).where(Upload.finished_at.is_(None)))).all()
