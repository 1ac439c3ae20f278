"""Garbage collection: removes unreferenced blobs, and role files that are no longer served.

    0  plan, without the lease: to list a store may take minutes
    1  remove their records          a crash leaves blobs without a record, found the next time
    2  remove the blobs              a crash leaves some of them, found the next time

Steps 1 and 2 handle a few blobs at a time, under the lease, and skip those that are referenced by
then; others publish in between. A blob without a record is never published: a bundle that needs it
must bring it again. A store that stops answering ends the collection.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.core.bundle import MAX_BUNDLE, decode_bundle
from server.core.errors import HeningError
from server.core.metadata import decode_targets, metadata_limit
from server.core.names import metadata_name
from server.core.release import named_blobs
from server.device.snapshot import SUPERSEDED
from server.publisher.inbox import Inbox
from server.publisher.lease import Lease
from server.publisher.published import PublicTree, Published
from server.storage.blobs import BlobStore, BlobThreads, StoredBlob
from server.storage.bounded import read_bounded
from server.storage.database import Sessions
from server.storage.layout import StateFolder
from server.storage.models import Blob, Upload
from server.storage.tree import read_role

BATCH = 32  # blobs removed while all others wait: some milliseconds, in S3 a second
BATCH_SECONDS = 1.0  # after which a slow store yields to other publishers, too
PAUSE_SECONDS = 0.2  # between two batches: longer than others wait between two tries for the lease


@dataclass(frozen=True, slots=True)
class Garbage:
    """The removed blobs, and how many stay because they are `named` or too `young`."""

    removed: tuple[StoredBlob, ...]
    named: int
    young: int

    @property
    def size(self) -> int:
        """The total bytes of the removed blobs."""
        return sum(blob.length for blob in self.removed)


def plan_garbage(
    stored: Iterable[StoredBlob], named: Collection[str], now: datetime, grace: timedelta
) -> Garbage:
    """Return which blobs to remove: unreferenced ones that are at least `grace` old. Pure."""
    removed, kept, young = [], 0, 0
    for blob in stored:
        if blob.sha256 in named:
            kept += 1
        elif now.timestamp() - blob.time < grace.total_seconds():
            young += 1
        else:
            removed.append(blob)
    return Garbage(tuple(removed), kept, young)


class Names:
    """Finds which blobs are named; a role file, which never changes, is read once."""

    def __init__(self, folder: StateFolder, inbox: Inbox) -> None:
        self._folder = folder
        self._inbox = inbox
        self._tree = PublicTree(folder.public)
        self._known: dict[str, frozenset[str]] = {}

    def load(self) -> frozenset[str]:
        """Return the blobs that served metadata or a waiting bundle names.

        Every served role version counts, not only the current ones. Raises an error when one of
        them cannot be read, because its names are unknown then. Staged files are not considered:
        the caller makes sure that there are none.
        """
        published = self._tree.load()
        served = () if published is None else self._served(published)
        return frozenset((*served, *_waiting(self._inbox.folders())))

    def _served(self, published: Published) -> Iterator[str]:
        for role, current in published.roles.items():
            for version in range(max(1, current.version - SUPERSEDED), current.version + 1):
                name = metadata_name(role, version)
                path = self._folder.public / "metadata" / name
                if name not in self._known and path.is_file():
                    data = read_role(self._folder.public, role, version)
                    self._known[name] = frozenset(_targets(role, data))
                yield from self._known.get(name, ())


async def collect_garbage(
    folder: StateFolder,
    sessions: Sessions,
    lease: Lease,
    blobs: BlobStore,
    inbox: Inbox,
    now: datetime,
    grace: timedelta,
    *,
    dry_run: bool,
    repair: Callable[[], Awaitable[object]],
    after_step: Callable[[int], None],
) -> Garbage:
    """Remove the blobs of `plan_garbage`, or only return them. Takes the lease repeatedly.

    Blobs of resumable uploads stay, also of those about to be finished. `repair` completes an
    accepted publication. Raises StorageError; blobs removed until then stay removed, and the next
    run continues.
    """
    names = Names(folder, inbox)
    stored = await asyncio.to_thread(lambda: list(blobs.list()))
    async with sessions() as session:
        uploaded = await _uploaded(session, now)
    garbage = plan_garbage(stored, await asyncio.to_thread(names.load) | uploaded, now, grace)
    if dry_run:
        return garbage
    removed: list[StoredBlob] = []
    pending = list(garbage.removed)
    while pending:
        if len(pending) < len(garbage.removed):
            await asyncio.sleep(PAUSE_SECONDS)
        async with lease.held():
            await repair()
            named = await asyncio.to_thread(names.load)
            async with lease.fenced() as session:
                used = named | await _uploaded(session, now)
                batch = [blob for blob in pending[:BATCH] if blob.sha256 not in used]
                hashes = [blob.sha256 for blob in batch]
                await session.execute(delete(Blob).where(Blob.sha256.in_(hashes)))
            after_step(1)
            count = await _remove(lease, blobs, batch, after_step)
        removed += batch[:count]
        pending = [*batch[count:], *pending[BATCH:]]
    kept_since = len(garbage.removed) - len(removed)
    return Garbage(tuple(removed), garbage.named + kept_since, garbage.young)


async def _remove(
    lease: Lease, blobs: BlobStore, batch: Sequence[StoredBlob], after_step: Callable[[int], None]
) -> int:
    """Remove blobs in order for up to `BATCH_SECONDS`, and return how many.

    Raises StorageError if one of them takes too long, or another process publishes by now. No
    transaction is open during a request to a store: a store that does not answer would block the
    database for all others, a halt among them.
    """
    clock = asyncio.get_running_loop().time
    threads, end = BlobThreads(), clock() + BATCH_SECONDS
    for count, blob in enumerate(batch, 1):
        async with lease.fenced():
            pass  # raises if the lease is lost
        await threads.run_soon(partial(blobs.remove, blob.sha256))
        after_step(2)
        if clock() > end:
            return count
    return len(batch)


async def _uploaded(session: AsyncSession, now: datetime) -> frozenset[str]:
    query = select(Upload.sha256).where(Upload.expires_at > int(now.timestamp()))
    return frozenset(await session.scalars(query))


def _waiting(folders: Iterable[Path]) -> Iterator[str]:
    """Yield the blobs that bundles name, also incomplete ones; a malformed bundle names none."""
    for folder in folders:
        with contextlib.suppress(HeningError, OSError):
            bundle = decode_bundle(read_bounded(folder / "bundle.json", MAX_BUNDLE))
            yield from (blob.sha256 for blob in bundle.blobs)
        for path in folder.glob("metadata/*.json"):
            role = path.name.split(".")[1]
            with contextlib.suppress(HeningError, OSError):
                yield from _targets(role, read_bounded(path, metadata_limit(role)))


def _targets(role: str, data: bytes) -> Iterator[str]:
    for target in decode_targets(role, data).signed.targets.values():
        yield from (sha256 for sha256, _ in named_blobs(target))


GRACE = timedelta(hours=1)
_NAME = re.compile(r"([1-9][0-9]{0,15})\.([a-z0-9][a-z0-9_-]{0,31})\.json")


def plan_drain(
    written: Mapping[str, datetime], current: Mapping[str, int], now: datetime
) -> list[str]:
    """Return the names of the files in `metadata/` to remove.

    `written` maps each name to its time of writing, `current` each public role to its version,
    snapshot included. A file left the window when the version that displaced it was written;
    skipped versions displace nothing. A role that is not listed is left alone.
    """
    versions: dict[str, list[int]] = {}
    for name in written:
        match = _NAME.fullmatch(name)
        if match is not None and match[2] in current and match[2] != "root":
            versions.setdefault(match[2], []).append(int(match[1]))
    old = []
    for role, found in versions.items():
        served = range(max(1, current[role] - SUPERSEDED), current[role] + 1)
        for version in sorted(found):
            if version >= served.start:
                continue
            pushed_out = [
                written[metadata_name(role, later)]
                for later in found
                if version + SUPERSEDED < later <= current[role]
            ]
            if pushed_out and now - min(pushed_out) >= GRACE:
                old.append(metadata_name(role, version))
    return sorted(old)


def find_drained(public: Path, current: Mapping[str, int], now: datetime) -> list[Path]:
    """Return the files to remove, as `plan_drain` says.

    A crash leaves some of them, which the next run removes: nothing refers to any.
    """
    folder = public / "metadata"
    written = {
        path.name: datetime.fromtimestamp(path.lstat().st_mtime, now.tzinfo)
        for path in folder.iterdir()
        if _NAME.fullmatch(path.name)
    }
    return [folder / name for name in plan_drain(written, current, now)]
