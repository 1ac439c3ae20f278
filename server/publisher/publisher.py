"""Publishing in seven steps, each durable before the next.

    1  blobs by hash                              a crash leaves blobs that nothing names
    2  verify the new roles                       nothing is written
    3  stage role files, snapshot and timestamp,  a crash leaves a temporary folder: discarded
       audit them, accept them under their name   from here on a restart completes
    4  append to the log, tiles, checkpoint       pending leaves, seen by auditors
    5  make the immutable files visible           files that nothing points to
    6  swap timestamp.json                        the new release is out
    7  read back what is public, without the      an alarm; nothing is taken back
       lease

Steps 1 and 2 are in `bundle_importer`, the others in `publication`; this module takes the lease for
them.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from server.core.bundle import Result
from server.core.errors import HeningError
from server.core.pointer import Pointer
from server.publisher.bundle_importer import BundleImporter, OnResult, Stores, open_stores
from server.publisher.errors import PublishError
from server.publisher.inbox import Inbox
from server.publisher.keys.choice import check_signable
from server.publisher.keys.online_keys import PlanKeys
from server.publisher.lease import Lease
from server.publisher.maintenance.garbage import Garbage, collect_garbage, find_drained
from server.publisher.plan import plan_refresh
from server.publisher.publication import PublicationSteps
from server.publisher.published import Published
from server.publisher.read_back import ReadBack, ReadBacks
from server.storage.blobs import BlobStore
from server.storage.database import Sessions
from server.storage.durable import find_temporary, remove_temporary
from server.storage.errors import StorageError
from server.storage.layout import StateFolder

REFRESH_LOOK = timedelta(seconds=30)  # between two checks of expiries, which are hours away
Edit = Callable[[Published], Mapping[str, Pointer]]
"""Returns new pointers for the published state. Runs in a thread: a thousand take a while."""
AsyncEdit = Callable[[Published], Awaitable[Mapping[str, Pointer]]]


async def _ignore_result(_session: AsyncSession, _result: Result) -> None:
    pass


class Publisher:
    """The only writer of a state folder. Every public method takes the lease to publish.

    The online keys are read under the lease each time, as a command may have changed them.
    `read_back` is step 7: it fetches the published files from the public address, or from disk if
    no server runs. `alarm` receives its errors, and postponed bundles. `after_step` receives the
    number of each finished step, and 0 when a publication begins. `stores` and `lease` are those of
    the state folder by default. `on_result` receives the result of a bundle in the transaction that
    stores it.
    """

    def __init__(
        self,
        folder: StateFolder,
        sessions: Sessions,
        clock: Callable[[], datetime],
        read_back: ReadBack,
        alarm: Callable[[str], None],
        after_step: Callable[[int], None] = lambda _step: None,
        *,
        stores: Stores | None = None,
        lease: Lease | None = None,
        on_result: OnResult = _ignore_result,
    ) -> None:
        self._folder = folder
        self._stores = open_stores(folder) if stores is None else stores
        self._clock = clock
        self._last_check: datetime | None = None
        self._lease = Lease(sessions, folder.lock) if lease is None else lease
        self._read_backs = ReadBacks(read_back, alarm, after_step)
        self._steps = PublicationSteps(
            folder,
            self._stores.tree,
            sessions,
            self._lease,
            clock,
            self._read_backs,
            after_step,
            alarm,
        )
        self._alarm = alarm
        self._sessions = sessions
        self._after_step = after_step
        self._importer = BundleImporter(
            folder,
            sessions,
            self._lease,
            clock,
            alarm,
            after_step,
            self._steps,
            self._stores,
            on_result,
        )

    @property
    def blobs(self) -> BlobStore:
        """The store of the blobs that are published."""
        return self._stores.blobs

    @property
    def inbox(self) -> Inbox:
        """The store of the waiting bundles."""
        return self._stores.inbox

    @property
    def read_backs(self) -> ReadBacks:
        """The running read-backs; the code that opened the publisher waits for or stops them."""
        return self._read_backs

    async def repair(self) -> int | None:
        """Complete the publication that a crash interrupted, or discard it if it was not accepted.

        Returns the completed snapshot version, or None if there was nothing to do.
        """
        async with self._lease.held():
            leftovers = await asyncio.to_thread(self._find_leftovers)
            await self._lease.write_each(partial(remove_temporary, path) for path in leftovers)
            completed = await self._steps.repair()
        try:  # without the lease: a store may be slow, and `sweep` skips files in use
            await asyncio.to_thread(self._stores.blobs.sweep)
        except StorageError as error:  # leftovers only take up room
            self._alarm(f"leftovers among the blobs stay: {error}")
        return completed

    async def drain(self) -> int:
        """Remove role files outside the window of served versions; returns how many."""
        async with self._lease.held():
            await self._steps.repair()
            published = await self._steps.load_published()
            if published is None:
                return 0
            current = {**published.versions(), "snapshot": published.snapshot.version}
            public, now = self._folder.public, self._clock()
            drained = await asyncio.to_thread(find_drained, public, current, now)
            await self._lease.change_each(
                self._stores.tree,
                (partial(self._stores.tree.remove, f"metadata/{path.name}") for path in drained),
            )
            return len(drained)

    async def collect_garbage(self, grace: timedelta, *, dry_run: bool = False) -> Garbage:
        """Remove unreferenced blobs that are at least `grace` old; with `dry_run`, list them."""
        return await collect_garbage(
            self._folder,
            self._sessions,
            self._lease,
            self._stores.blobs,
            self._stores.inbox,
            self._clock(),
            grace,
            dry_run=dry_run,
            repair=self._steps.repair,
            after_step=self._after_step,
        )

    async def process_incoming(self) -> list[Result]:
        """Publish every waiting bundle; a refused bundle gets a result with the reason.

        Blobs are ingested without the lease, so that other publications can proceed.
        """
        if not await asyncio.to_thread(self._stores.inbox.fetch):
            return []
        await self._steps.load_keys()  # without keys every bundle would fail
        results = []
        for submission_id in await asyncio.to_thread(self._stores.inbox.fetch):
            prepared = await self._importer.prepare(submission_id)
            if prepared is None:
                continue
            async with self._lease.held():
                await self._steps.repair()  # accepted publications come first
                result = await self._importer.process(prepared)
            if result is not None:
                results.append(result)
        return results

    async def complete(self) -> int | None:
        """Complete an accepted publication that is not public yet: `repair` for a running process.

        Returns the snapshot version, or None if there was nothing to do.
        """
        # A publication that another publisher has staged but not accepted is left alone.
        if self._lease.must_yield or not await asyncio.to_thread(self._folder.staging.exists):
            return None
        async with self._lease.held():
            return await self._steps.repair()

    async def change_pointers(self, edit: Edit) -> int:
        """Publish the result of `edit` on the current pointers; returns the snapshot version."""
        return await self.edit_pointers(lambda published: asyncio.to_thread(edit, published))

    async def edit_pointers(self, edit: AsyncEdit) -> int:
        """Do what `change_pointers` does, with an `edit` that also queries the database.

        `edit` runs under the lease, after accepted publications are public: nothing that it reads
        changes until its pointers are public.
        """
        async with self._lease.held():
            await self._steps.repair()
            self._after_step(0)
            published = await self._require_published()
            pointers = await edit(published)
            if pointers == await asyncio.to_thread(published.pointers):
                return published.snapshot.version
            return await self._steps.publish(published, published, [], pointers, renew=False)

    async def refresh(self) -> str:
        """Sign the online roles again if they are due; returns what `plan_refresh` found due."""
        now = self._clock()
        if self._last_check is not None and timedelta() <= now - self._last_check < REFRESH_LOOK:
            return ""
        self._last_check = now
        published = await self._steps.load_published()
        if published is None or not await asyncio.to_thread(plan_refresh, published, now):
            return ""
        async with self._lease.held():
            await self._steps.repair()
            self._after_step(0)
            published = await self._require_published()
            due = await asyncio.to_thread(plan_refresh, published, self._clock())
            if due:
                pointers = await asyncio.to_thread(published.pointers)
                await self._steps.publish(published, published, [], pointers, renew=due == "all")
            return due

    async def rotate(self, plan: PlanKeys) -> None:
        """Change key files as `plan` decides, then sign with the new set of keys.

        The log and the online roles that the change renews are signed again. Raises TrustError, and
        changes nothing, if the keys could not sign the published state. A later error names the
        steps already done; a second run repeats everything.
        """
        async with self._lease.held():
            await self._steps.repair()
            published = await self._steps.load_published()
            keys, now = await self._steps.load_keys(), self._clock()
            change = await asyncio.to_thread(plan, keys, published, now)
            signed = published if change.renew else None
            if signed is not None:
                check_signable(change.keys, signed, now)
            with _name_done_steps("not every key file is changed"):
                await self._lease.write(change.apply)
            if signed is not None:
                with _name_done_steps(
                    "the key files are changed, but not everything is signed with them"
                ):
                    await self._steps.restate_log()
                    pointers = await asyncio.to_thread(signed.pointers)
                    renew = change.renew == "all"
                    await self._steps.publish(signed, signed, [], pointers, renew=renew)

    def _find_leftovers(self) -> list[Path]:
        folders = (self._folder.staging.parent, self._folder.public, self._folder.keys)
        return [path for folder in folders for path in find_temporary(folder)]

    async def _require_published(self) -> Published:
        published = await self._steps.load_published()
        if published is None:
            raise PublishError("nothing is published yet: submit the ceremony's bundle first.")
        return published


@contextlib.contextmanager
def _name_done_steps(done: str) -> Iterator[None]:
    """Add to an error which steps were done before it, and how to finish."""

    def sentence(error: Exception) -> str:
        reason = str(error).partition("\n")[0].rstrip(".")
        return f"{done}: {reason}; fix that, then run the same command again."

    try:
        yield
    except (StorageError, OSError, SQLAlchemyError) as error:
        raise StorageError(sentence(error)) from error
    except HeningError as error:
        raise PublishError(sentence(error)) from error
