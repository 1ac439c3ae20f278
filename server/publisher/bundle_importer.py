"""Handles a bundle from `incoming`: steps 1 and 2 of publishing, its result, or a delay.

    without the lease   its roles are verified, then its blobs ingested: other publications do
                        not wait for gigabytes from a slow store, nor for unsigned bundles
    under the lease     its roles are verified against the public state at that time, its blobs
                        are looked up and recorded; it is published, gets its result, is removed

Until a bundle is removed, garbage collection keeps the blobs that it names. Two processes may
prepare one bundle; one of them publishes it, and the other finds it gone.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from tuf.api.metadata import TargetFile

from server.core.bundle import Result
from server.core.encodings import check_sha256
from server.core.errors import HeningError
from server.core.metadata import ROOT_LIMIT
from server.core.release import named_blobs
from server.publisher import incoming
from server.publisher.errors import PublishError
from server.publisher.inbox import Inbox, open_inbox
from server.publisher.incoming import Submission, check_content
from server.publisher.keys.holder import deferring_missing_keys
from server.publisher.lease import AT_ONCE, Lease, LeaseLostError
from server.publisher.publication import PublicationSteps, is_public
from server.publisher.published import Published, Trust
from server.publisher.rollout import follow_roles
from server.publisher.verify import verify_submission
from server.storage.blobs import BlobStore, BlobThreads
from server.storage.bounded import read_bounded
from server.storage.database import Sessions
from server.storage.errors import StorageError
from server.storage.layout import StateFolder
from server.storage.local_blobs import LocalBlobs
from server.storage.models import Blob
from server.storage.models import Submission as SubmissionRow
from server.storage.room import Room
from server.storage.tree import Tree, open_tree

REASON_LIMIT = 2000  # characters: one sentence, whatever the submission contains
QUERY_HASHES = 500  # in one query: databases limit the number of parameters
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=1), timedelta(minutes=5)  # of a postponed bundle

OnResult = Callable[[AsyncSession, Result], Awaitable[None]]
"""Receives a bundle's result, once, in the transaction that stores it."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A bundle after the part of its processing that needs no lease.

    `refusal` is the error of its files, if any. `is_whole`: its roles are verified and its blobs
    are in the store, each hashed on ingestion. `attempt` distinguishes this submission from a later
    one of the same bundle.
    """

    id: str
    attempt: str
    submission: Submission | None = None
    refusal: HeningError | None = None
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Stores:
    """What a publisher reads and writes; `room` limits the growth of `blobs`."""

    tree: Tree
    blobs: BlobStore
    inbox: Inbox
    room: Room


def open_stores(
    folder: StateFolder,
    blobs: BlobStore | None = None,
    room: Room = Room(),  # noqa: B008 - it cannot change
) -> Stores:
    """Return the stores of a state folder; `blobs` may be elsewhere."""
    blobs = LocalBlobs(folder.blobs) if blobs is None else blobs
    return Stores(open_tree(folder), blobs, open_inbox(folder), room)


@dataclass(eq=False)
class BundleImporter:
    """Takes bundles from the inbox of `stores` and passes verified ones to `steps`."""

    folder: StateFolder
    sessions: Sessions
    lease: Lease
    clock: Callable[[], datetime]
    alarm: Callable[[str], None]
    after_step: Callable[[int], None]
    steps: PublicationSteps
    stores: Stores
    on_result: OnResult
    _threads: BlobThreads = field(default_factory=BlobThreads, init=False)
    _postponed: dict[str, tuple[datetime, timedelta]] = field(default_factory=dict, init=False)

    async def prepare(self, submission_id: str) -> Prepared | None:
        """Verify a bundle and ingest its blobs; the caller does not hold the lease.

        Returns None if it is gone, or postponed after an external error, so that it delays no
        other.
        """
        now = self.clock()
        since, wait = self._postponed.get(submission_id, (now, timedelta()))
        if since <= now < since + wait:
            return None
        self.after_step(0)
        try:
            return await self._prepare(submission_id)
        except (StorageError, OSError) as error:
            if await asyncio.to_thread(self.stores.inbox.attempt, submission_id):
                self._postpone(submission_id, "is tried again later", error)
            return None

    async def process(self, prepared: Prepared) -> Result | None:
        """Publish or refuse a bundle and remove it; the caller holds the lease.

        Returns None if it is gone, is postponed, or must be prepared again.
        """
        result, outcome = None, "is tried again later"
        try:
            if await asyncio.to_thread(self.stores.inbox.attempt, prepared.id) != prepared.attempt:
                return None
            folder = await asyncio.to_thread(self.stores.inbox.path, prepared.id)
            if not await asyncio.to_thread(incoming.is_finished, folder, self.folder.results):
                result = await self._settle(prepared)
                if result is None:
                    return None
            outcome = "is done but cannot be removed"
            trash = self.folder.staging.parent
            hidden = await self.lease.write(incoming.hide_bundle, folder, trash)
            # Without a transaction: for gigabytes it takes a while.
            await asyncio.to_thread(shutil.rmtree, hidden)
            await asyncio.to_thread(self.stores.inbox.forget, prepared.id, prepared.attempt)
        except LeaseLostError:
            raise  # the process that publishes now handles this bundle, too
        except (StorageError, OSError) as error:
            self._postpone(prepared.id, outcome, error)
        else:
            self._postponed.pop(prepared.id, None)
        return result

    def _postpone(self, submission_id: str, outcome: str, error: Exception) -> None:
        if submission_id not in self._postponed:
            self.alarm(f"the bundle {submission_id[:16]} {outcome}: {error}")
        _, wait = self._postponed.get(submission_id, (None, timedelta()))
        wait = min(max(2 * wait, FIRST_WAIT), LONGEST_WAIT)
        self._postponed[submission_id] = (self.clock(), wait)

    async def _prepare(self, submission_id: str) -> Prepared | None:
        attempt = await asyncio.to_thread(self.stores.inbox.attempt, submission_id)
        if not attempt:
            return None
        folder = await asyncio.to_thread(self.stores.inbox.path, submission_id)
        found = Prepared(submission_id, attempt)
        finished = await asyncio.to_thread(incoming.is_finished, folder, self.folder.results)
        if finished or await self._stored_result(found) is not None:
            return found
        try:
            submission = await asyncio.to_thread(incoming.load_submission, folder)
        except StorageError:
            raise
        except HeningError as error:
            return replace(found, refusal=error)
        found = replace(found, submission=submission)
        published = await self.steps.load_published()
        if published is not None and await self._is_public(submission):
            return found
        try:
            trust = await self._verify(submission, published)
        except StorageError:
            raise
        except HeningError:
            return found  # the check under the lease decides: the public state may have changed
        # Step 1.
        try:
            await self._ingest(folder, submission)
            # Ask for the lengths now: under the lease `lengths` answers from its cache.
            targets = _named(trust, submission).values()
            named = {sha256 for each in targets for sha256, _ in named_blobs(each)}
            await self._threads.run(self.stores.blobs.lengths, named)
            changed = {file.role for file in submission.files}
            await check_content(published, trust, changed, self.stores.blobs, self._threads)
        except StorageError:
            raise
        except HeningError as error:
            return replace(found, refusal=error)
        self.after_step(1)
        return replace(found, is_whole=True)

    async def _ingest(self, folder: Path, submission: Submission) -> None:
        async with self.sessions() as session:
            used = int(await session.scalar(select(func.sum(Blob.length))) or 0)
        blobs, room = self.stores.blobs, self.stores.room
        await self._threads.run(incoming.check_bundle_room, submission, blobs, room, used)
        await self._threads.run(incoming.ingest_blobs, folder, submission, blobs)

    async def _settle(self, prepared: Prepared) -> Result | None:
        result = await self._stored_result(prepared)
        if result is None:
            result = await self._publish_or_refuse(prepared)
        if result is not None:
            await self.lease.write(incoming.write_result, self.folder.results, result)
        return result

    async def _stored_result(self, found: Prepared) -> Result | None:
        """Return the stored result of this attempt, if any. It is in the audit log: it is final."""
        async with self.sessions() as session:
            row = await session.get(SubmissionRow, found.id)
        if row is None or row.attempt != found.attempt:
            return None
        return _result(row)

    async def _publish_or_refuse(self, prepared: Prepared) -> Result | None:
        """Publish or refuse a bundle, and store the result."""
        try:
            snapshot = await self._publish(prepared)
            if snapshot is None:
                return None
            status, reason = "published", ""
        except StorageError:
            raise  # an external error: the bundle stays
        except HeningError as error:
            snapshot, status, reason = 0, "refused", _error_text(error)
        row = SubmissionRow(
            id=prepared.id,
            status=status,
            reason=reason,
            snapshot=snapshot,
            finished_at=int(self.clock().timestamp()),
            attempt=prepared.attempt,
        )
        result = _result(row)
        async with self.lease.fenced() as session:
            await session.merge(row)
            await self.on_result(session, result)
        return result

    async def _publish(self, prepared: Prepared) -> int | None:
        """Publish and return the snapshot version; None if the blobs must be ingested first."""
        submission = prepared.submission
        if submission is None:
            if prepared.refusal is not None:
                raise prepared.refusal
            return None
        published = await self.steps.load_published()
        if published is not None and await self._is_public(submission):
            return published.snapshot.version  # a crash came between swap and result
        # Step 2 again: the public state may have changed.
        trust = await self._verify(submission, published)
        if prepared.refusal is not None:
            raise prepared.refusal
        if not prepared.is_whole or not await self._record(submission):
            return None
        await self._check_blobs(_named(trust, submission))
        self.after_step(2)
        changed = {file.role for file in submission.files}
        former = {} if published is None else await asyncio.to_thread(published.pointers)
        pointers = await asyncio.to_thread(follow_roles, former, trust, changed)
        renew = not changed.isdisjoint({"root", "targets"})
        return await self.steps.publish(trust, published, submission.files, pointers, renew=renew)

    async def _is_public(self, submission: Submission) -> bool:
        return await asyncio.to_thread(is_public, self.folder.public, submission.files)

    async def _verify(self, submission: Submission, published: Published | None) -> Trust:
        with deferring_missing_keys(self.folder):
            return await asyncio.to_thread(
                verify_submission,
                submission.files,
                published,
                await asyncio.to_thread(_load_root, self.folder.trusted_root),
                await self.steps.load_keys(),
                self.clock(),
                await self.steps.log.versions({file.role for file in submission.files}),
            )

    async def _record(self, submission: Submission) -> bool:
        """Record the bundle's blobs as hashed; return False if one of them is gone since then.

        Blobs are removed only under the lease, so recorded blobs exist.
        """
        expected = {blob.sha256: blob.length for blob in submission.bundle.blobs}
        length = self.stores.blobs.length
        found = await self._threads.run_soon(lambda: {name: length(name) for name in expected})
        if found != expected:
            return False
        now = int(self.clock().timestamp())
        names = sorted(expected)
        for at in range(0, len(names), AT_ONCE):
            async with self.lease.fenced() as session:
                for name in names[at : at + AT_ONCE]:
                    await session.merge(Blob(sha256=name, length=expected[name], verified_at=now))
        return True

    async def _check_blobs(self, targets: Mapping[str, TargetFile]) -> None:
        """Raise PublishError unless each blob exists with its length and is recorded as hashed."""
        required = [
            (path, sha256, length)
            for path, target in targets.items()
            for sha256, length in named_blobs(target)
        ]
        hashes = sorted({sha256 for _, sha256, _ in required})
        records: dict[str, int] = {}
        async with self.sessions() as session:
            for at in range(0, len(hashes), QUERY_HASHES):
                part = hashes[at : at + QUERY_HASHES]
                query = select(Blob.sha256, Blob.length).where(Blob.sha256.in_(part))
                records.update({row.sha256: row.length for row in await session.execute(query)})

        def check() -> None:
            for sha256 in hashes:
                check_sha256(sha256)
            lengths = self.stores.blobs.lengths(set(hashes))
            for path, sha256, length in required:
                if {lengths.get(sha256), records.get(sha256)} != {length}:
                    raise PublishError(
                        f"the blob of {path} is neither in the bundle nor in the store."
                    )

        await self._threads.run_soon(check)


def _result(row: SubmissionRow) -> Result:
    return Result(
        id=row.id,
        status="published" if row.status == "published" else "refused",
        reason=row.reason,
        snapshot=row.snapshot,
        time=row.finished_at,
    )


def _named(trust: Trust, submission: Submission) -> dict[str, TargetFile]:
    """Return the targets of the changed roles; those of others were checked when they changed."""
    changed = {file.role for file in submission.files}
    return {
        path: target
        for name in changed & trust.roles.keys()
        for path, target in trust.roles[name].targets.items()
    }


def _error_text(error: HeningError) -> str:
    """Return an error's text, shortened and escaped: it may quote the submission."""
    return str(error)[:REASON_LIMIT].encode(errors="backslashreplace").decode()


def _load_root(path: Path) -> bytes:
    if not path.exists():
        raise StorageError("no root is pinned: run `hening-server init --root` first.")
    return read_bounded(path, ROOT_LIMIT)
