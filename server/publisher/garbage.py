"""Blobs that nothing names any more, and how long they have been there.

    0  what goes is planned, without the lease: to list a store may take minutes
    1  their records are removed     a crash leaves blobs without a record, found the next time
    2  the blobs are removed         a crash leaves some of them, found the next time

Steps 1 and 2 are done for a few blobs at a time, under the lease, each time for those only that
nothing names by then; others publish in between. A blob without a record is never published: a
bundle that needs it brings it along. A store that falls silent ends the collection.
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
from server.device.snapshot import SUPERSEDED
from server.publisher.lease import Lease
from server.publisher.publish_metrics import answer_soon
from server.publisher.published import PublicTree, Published
from server.storage.blobs import BlobStore, BlobThreads, StoredBlob
from server.storage.bounded import read_bounded
from server.storage.control_models import Upload
from server.storage.database import Sessions
from server.storage.layout import StateFolder
from server.storage.models import Blob

BATCH = 32  # blobs removed while everybody waits: some milliseconds, in S3 a second
BATCH_SECONDS = 1.0  # after which a slow store lets others have their turn, too
PAUSE_SECONDS = 0.2  # between two batches: longer than others wait between two tries for the lease


@dataclass(frozen=True, slots=True)
class Garbage:
    """What is removed, and how many blobs stay: named by something, or not old enough."""

    removed: tuple[StoredBlob, ...]
    named: int
    young: int

    @property
    def size(self) -> int:
        """How many bytes the removed blobs have."""
        return sum(blob.length for blob in self.removed)


def plan_garbage(
    stored: Iterable[StoredBlob], named: Collection[str], now: datetime, grace: timedelta
) -> Garbage:
    """Return which blobs go: those that nothing names and that came at least `grace` ago. Pure."""
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
    """Tells which blobs are named; a role file, which never changes, is read once."""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder
        self._tree = PublicTree(folder.public)
        self._known: dict[str, frozenset[str]] = {}

    def load(self) -> frozenset[str]:
        """Return the blobs that served metadata or a bundle that waits names.

        Every role version that is served counts, not the current ones alone. Raises an error when
        one of them cannot be read: what it names is not known then. What is staged is not looked
        at: who decides by the answer sees to it that nothing is.
        """
        published = self._tree.load()
        served = () if published is None else self._served(published)
        return frozenset((*served, *_waiting(self._folder.incoming)))

    def _served(self, published: Published) -> Iterator[str]:
        for role, current in published.roles.items():
            for version in range(max(1, current.version - SUPERSEDED), current.version + 1):
                name = metadata_name(role, version)
                path = self._folder.public / "metadata" / name
                if name not in self._known and path.is_file():
                    data = read_bounded(path, metadata_limit(role))
                    self._known[name] = frozenset(_targets(role, data))
                yield from self._known.get(name, ())


async def collect_garbage(
    folder: StateFolder,
    sessions: Sessions,
    lease: Lease,
    blobs: BlobStore,
    now: datetime,
    grace: timedelta,
    *,
    dry_run: bool,
    repair: Callable[[], Awaitable[object]],
    after_step: Callable[[int], None],
) -> Garbage:
    """Remove what `plan_garbage` says, or only say it. Takes the lease, again and again.

    What resumable uploads hold, or are about to make, stays. `repair` completes what is accepted
    and not public. Raises StorageError; what was removed until then is gone, and the next time
    goes on.
    """
    names = Names(folder)
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
                kept = named | await _uploaded(session, now)
                batch = [blob for blob in pending[:BATCH] if blob.sha256 not in kept]
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
    """Remove blobs in their order until that has lasted, and return how many.

    Raises StorageError where one of them lasts, or another process publishes by now.

    No transaction is open while a store is asked: one that is silent would keep everybody else,
    and a halt among them, from the database.
    """
    clock = asyncio.get_running_loop().time
    threads, end = BlobThreads(), clock() + BATCH_SECONDS
    for count, blob in enumerate(batch, 1):
        async with lease.fenced():
            pass  # still ours
        await answer_soon(threads, partial(blobs.remove, blob.sha256))
        after_step(2)
        if clock() > end:
            return count
    return len(batch)


async def _uploaded(session: AsyncSession, now: datetime) -> frozenset[str]:
    query = select(Upload.sha256).where(Upload.expires_at > int(now.timestamp()))
    return frozenset(await session.scalars(query))


def _waiting(incoming: Path) -> Iterator[str]:
    """Yield what bundles name, those that are being written too; what is none names nothing."""
    for folder in incoming.iterdir() if incoming.is_dir() else ():
        with contextlib.suppress(HeningError, OSError):
            bundle = decode_bundle(read_bounded(folder / "bundle.json", MAX_BUNDLE))
            yield from (blob.sha256 for blob in bundle.blobs)
        for path in folder.glob("metadata/*.json"):
            role = path.name.split(".")[1]
            with contextlib.suppress(HeningError, OSError):
                yield from _targets(role, read_bounded(path, metadata_limit(role)))


def _targets(role: str, data: bytes) -> Iterator[str]:
    for target in decode_targets(role, data).signed.targets.values():
        yield target.hashes.get("sha256", "")


GRACE = timedelta(hours=1)
_NAME = re.compile(r"([1-9][0-9]{0,15})\.([a-z0-9][a-z0-9_-]{0,31})\.json")


def plan_drain(
    written: Mapping[str, datetime], current: Mapping[str, int], now: datetime
) -> list[str]:
    """Return the names of the files to remove, of those in `metadata/`.

    `written` gives for each name when it was written, `current` the version of each role that is
    public, snapshot included. A file left the window when the version that pushed it out was
    written; versions that were passed over push nothing. A role that is not listed is left alone.
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
