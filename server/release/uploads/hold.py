"""Exclusive access of one task to an upload, and the upload's end: as a blob or dropped."""

import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

from sqlalchemy import delete

from server.core.errors import FormatError
from server.release.auth.audit_log import record
from server.release.uploads.limits import UploadBusyError, UploadChecksumError
from server.release.uploads.partial import PartialFile, to_end, to_its_end
from server.storage.blobs import BlobStore, BlobThreads
from server.storage.control_models import Upload
from server.storage.database import Sessions
from server.storage.layout import StateFolder
from server.storage.models import Blob


class Holder:
    """Locks uploads of a state folder for one task each, across processes."""

    def __init__(
        self,
        folder: StateFolder,
        sessions: Sessions,
        blobs: BlobStore,
        clock: Callable[[], datetime],
        threads: BlobThreads,
        after_step: Callable[[int], None] = lambda _step: None,
    ) -> None:
        self._folder = folder
        self._sessions = sessions
        self._blobs = blobs
        self._clock = clock
        self._threads = threads
        self._after_step = after_step

    def path(self, upload_id: str) -> Path:
        """Return where the bytes of an upload lie; its id is one that a row has."""
        return self._folder.uploads / upload_id

    @contextlib.asynccontextmanager
    async def holding(self, upload: Upload) -> AsyncIterator[PartialFile]:
        """Lock the file of an unfinished upload.

        Raises UploadBusyError when another task holds it, or ended it a moment ago.
        """
        file = PartialFile(self.path(upload.id))
        try:
            await to_end(file.open)
            async with self._sessions() as session:
                row = await session.get(Upload, upload.id)
            if row is None or row.finished_at is not None:
                await to_end(file.remove)
                raise UploadBusyError("the upload has ended at this moment: ask again.")
            yield file
        finally:
            await to_end(file.close)

    async def finish(self, upload: Upload, file: PartialFile, actor: str) -> None:
        """Turn a file with all its bytes into a blob; steps 1 to 4 of `uploads`.

        Raises UploadChecksumError for other bytes than announced, and then forgets the upload.
        """
        try:
            adopt = self._threads.run(self._blobs.adopt, file.path, upload.sha256, upload.length)
            await to_its_end(adopt)
        except FormatError as error:
            await self.drop(upload, file, actor, "upload.refuse")
            raise UploadChecksumError(
                "the bytes do not hash to the sha256 that the upload announced: begin again."
            ) from error
        self._after_step(2)
        now = int(self._clock().timestamp())
        async with self._sessions.begin() as session:
            await session.merge(Blob(sha256=upload.sha256, length=upload.length, verified_at=now))
            row = await session.get_one(Upload, upload.id)
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
        self._after_step(3)
        await to_end(file.remove)

    async def drop(self, upload: Upload, file: PartialFile | None, actor: str, action: str) -> None:
        """Forget an upload: its row, then its file, which a crash in between leaves to be swept.

        In the other order, a concurrent sender would create a file for a row about to be removed.
        """
        async with self._sessions.begin() as session:
            await session.execute(delete(Upload).where(Upload.id == upload.id))
            await record(
                session,
                at=int(self._clock().timestamp()),
                actor=actor,
                action=action,
                subject=upload.id,
                detail={"length": upload.length, "sha256": upload.sha256},
            )
        if file is not None:
            await to_end(file.remove)
