"""What becomes of a bundle from `incoming`: steps 1 and 2 of publishing, its result, or a delay."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.core.bundle import Result
from server.core.encodings import check_sha256
from server.core.errors import HeningError
from server.core.metadata import ROOT_LIMIT
from server.core.names import metadata_name
from server.core.pointer import Pointer
from server.publisher import incoming
from server.publisher.errors import PublishError
from server.publisher.lease import Lease, LeaseLostError
from server.publisher.publication import PublicationSteps
from server.publisher.published import Published, Trust
from server.publisher.retraction import follow_roles
from server.publisher.verify import RoleVersion, verify_submission
from server.storage.blobs import BlobStore
from server.storage.bounded import read_bounded
from server.storage.database import Sessions
from server.storage.errors import StorageError
from server.storage.layout import StateFolder
from server.storage.models import Blob
from server.storage.models import Submission as SubmissionRow
from server.storage.room import Room

REASON_LIMIT = 2000  # characters: a sentence, whatever a submission made of it
QUERY_HASHES = 500  # in one query: databases limit how many values it may name
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=1), timedelta(minutes=5)  # of a bundle put off

TellEnd = Callable[[AsyncSession, Result], Awaitable[None]]
"""Is told what became of a bundle, once, in the transaction that remembers it."""


class Submissions:
    """Takes bundles in and hands what verifies to `steps`. Its caller holds the lease."""

    def __init__(
        self,
        folder: StateFolder,
        sessions: Sessions,
        lease: Lease,
        clock: Callable[[], datetime],
        alarm: Callable[[str], None],
        after_step: Callable[[int], None],
        steps: PublicationSteps,
        blobs: BlobStore,
        room: Room,
        tell_end: TellEnd,
    ) -> None:
        self._folder = folder
        self._sessions = sessions
        self._lease = lease
        self._clock = clock
        self._alarm = alarm
        self._after_step = after_step
        self._steps = steps
        self._blobs = blobs
        self._room = room
        self._tell_end = tell_end
        self._put_off: dict[str, tuple[datetime, timedelta]] = {}

    async def process(self, submission_id: str) -> Result | None:
        """Process one bundle; one that the surroundings fail is put off and holds up no other."""
        now = self._clock()
        since, wait = self._put_off.get(submission_id, (now, timedelta()))
        if since <= now < since + wait:
            return None
        folder, result = self._folder.incoming / submission_id, None
        outcome = "is tried again later"
        try:
            if not await asyncio.to_thread(incoming.is_finished, folder, self._folder.results):
                result = await self._judge(folder)
            outcome = "is done but cannot be removed"
            await self._lease.write(incoming.remove_bundle, folder, self._folder.staging.parent)
        except LeaseLostError:
            raise  # whoever publishes now takes this bundle, too
        except (StorageError, OSError) as error:
            if submission_id not in self._put_off:
                self._alarm(f"the bundle {submission_id[:16]} {outcome}: {error}")
            self._put_off[submission_id] = (now, min(max(2 * wait, FIRST_WAIT), LONGEST_WAIT))
        else:
            self._put_off.pop(submission_id, None)
        return result

    async def _judge(self, folder: Path) -> Result:
        submission_id = folder.name
        try:
            snapshot, status, reason = await self._submit(folder), "published", ""
        except StorageError:
            raise  # the surroundings failed: the bundle stays
        except HeningError as error:
            snapshot, status, reason = 0, "refused", _sentence(error)
        now = int(self._clock().timestamp())
        result = Result(
            id=submission_id,
            status="published" if status == "published" else "refused",
            reason=reason,
            snapshot=snapshot,
            time=now,
        )
        attempt = await asyncio.to_thread(incoming.attempt_of, folder)
        async with self._lease.fenced() as session:
            known = await session.get(SubmissionRow, submission_id)
            if known is None or known.attempt != attempt:  # else a crash came before the result
                await session.merge(
                    SubmissionRow(
                        id=submission_id,
                        status=status,
                        reason=reason,
                        snapshot=snapshot,
                        finished_at=now,
                        attempt=attempt,
                    )
                )
                await self._tell_end(session, result)
        await self._lease.write(incoming.write_result, self._folder.results, result)
        return result

    async def _submit(self, folder: Path) -> int:
        submission = await asyncio.to_thread(incoming.load_submission, folder)
        published = await self._steps.load_published()
        if published is not None and await asyncio.to_thread(
            _is_public, self._folder.public, submission.files
        ):
            return published.snapshot.version  # a crash came between swap and result
        root = await asyncio.to_thread(_load_root, self._folder.trusted_root)
        # Step 1.
        async with self._sessions() as session:
            used = int(await session.scalar(select(func.sum(Blob.length))) or 0)
        await asyncio.to_thread(
            incoming.check_bundle_room, submission, self._blobs, self._room, used
        )
        await asyncio.to_thread(incoming.ingest_blobs, folder, submission, self._blobs)
        now = int(self._clock().timestamp())
        async with self._sessions.begin() as session:
            for blob in submission.bundle.blobs:
                await session.merge(Blob(sha256=blob.sha256, length=blob.length, verified_at=now))
        self._after_step(1)
        # Step 2.
        trust = await asyncio.to_thread(
            verify_submission,
            submission.files,
            published,
            root,
            await self._steps.load_keys(),
            self._clock(),
            await self._steps.log.versions({file.role for file in submission.files}),
        )
        changed = {file.role for file in submission.files}
        await self._check_blobs(trust, changed)
        self._after_step(2)
        pointers = await asyncio.to_thread(_follow, published, trust, changed)
        renew = not changed.isdisjoint({"root", "targets"})
        return await self._steps.publish(trust, published, submission.files, pointers, renew=renew)

    async def _check_blobs(self, trust: Trust, changed: Collection[str]) -> None:
        """Check presence, length and the record that the hash was verified when it came in.

        Of the roles that change; what others list was there when they changed.
        """
        targets = {
            path: target
            for name in changed & trust.roles.keys()
            for path, target in trust.roles[name].targets.items()
        }
        hashes = sorted({target.hashes["sha256"] for target in targets.values()})
        records: dict[str, int] = {}
        async with self._sessions() as session:
            for at in range(0, len(hashes), QUERY_HASHES):
                part = hashes[at : at + QUERY_HASHES]
                query = select(Blob.sha256, Blob.length).where(Blob.sha256.in_(part))
                records.update({row.sha256: row.length for row in await session.execute(query)})

        def look() -> None:
            for sha256 in hashes:
                check_sha256(sha256)
            lengths = self._blobs.lengths(set(hashes))
            for path, target in targets.items():
                sha256 = target.hashes["sha256"]
                if {lengths.get(sha256), records.get(sha256)} != {target.length}:
                    raise PublishError(f"the blob of {path} is not in the bundle and not here.")

        await asyncio.to_thread(look)


def _follow(
    published: Published | None, trust: Trust, changed: Collection[str]
) -> dict[str, Pointer]:
    return follow_roles({} if published is None else published.pointers(), trust, changed)


def _sentence(error: HeningError) -> str:
    """Return an error as a result can hold it: it may quote what was submitted."""
    return str(error)[:REASON_LIMIT].encode(errors="backslashreplace").decode()


def _load_root(path: Path) -> bytes:
    if not path.exists():
        raise StorageError("no root is pinned: run `hening-server init --root` first.")
    return read_bounded(path, ROOT_LIMIT)


def _is_public(public: Path, files: Sequence[RoleVersion]) -> bool:
    paths = [public / "metadata" / metadata_name(file.role, file.version) for file in files]
    return all(
        path.is_file() and path.read_bytes() == file.data
        for path, file in zip(paths, files, strict=True)
    )
