"""Blobs that nothing names any more, and how long they have been there.

    1  their records are removed     a crash leaves blobs without a record, found the next time
    2  the blobs are removed         a crash leaves some of them, found the next time

A blob without a record is never published: a bundle that needs it brings it along.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, select

from server.core.bundle import MAX_BUNDLE, decode_bundle
from server.core.errors import HeningError
from server.core.metadata import decode_targets, metadata_limit
from server.core.names import metadata_name
from server.device.snapshot import SUPERSEDED
from server.publisher.lease import Lease
from server.publisher.published import Published, load_published
from server.storage.blobs import BlobStore, StoredBlob
from server.storage.bounded import read_bounded
from server.storage.control_models import Upload
from server.storage.database import Sessions
from server.storage.layout import StateFolder
from server.storage.models import Blob

BATCH = 500  # records removed by one statement: below SQLite's limit of variables


@dataclass(frozen=True, slots=True)
class Garbage:
    """What is removed, and how many blobs stay: named by something, or not old enough."""

    removed: tuple[StoredBlob, ...]
    named: int
    young: int

    @property
    def octets(self) -> int:
        """How many octets the removed blobs have."""
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


def load_named(folder: StateFolder) -> frozenset[str]:
    """Return the blobs that served metadata or a bundle that waits names; nothing may be staged.

    Every role version that is served counts, not the current ones alone. Raises an error when one
    of them cannot be read: what it names is not known then.
    """
    published = load_published(folder.public)
    served = () if published is None else _served(folder.public, published)
    return frozenset((*served, *_waiting(folder.incoming)))


async def collect_garbage(
    folder: StateFolder,
    sessions: Sessions,
    lease: Lease,
    blobs: BlobStore,
    now: datetime,
    grace: timedelta,
    *,
    dry_run: bool,
    after_step: Callable[[int], None],
) -> Garbage:
    """Remove what `plan_garbage` says, or only say it. Its caller holds the lease.

    What resumable uploads hold, or are about to make, stays. Raises StorageError; what was removed
    until then is gone, and the next time goes on.
    """
    stored = await asyncio.to_thread(lambda: list(blobs.list()))
    named = await asyncio.to_thread(load_named, folder)
    async with sessions() as session:
        query = select(Upload.sha256).where(Upload.expires_at > int(now.timestamp()))
        uploaded = frozenset(await session.scalars(query))
    garbage = plan_garbage(stored, named | uploaded, now, grace)
    if dry_run:
        return garbage
    names = [blob.sha256 for blob in garbage.removed]
    async with lease.fenced() as session:
        for start in range(0, len(names), BATCH):
            await session.execute(delete(Blob).where(Blob.sha256.in_(names[start : start + BATCH])))
    after_step(1)
    for name in names:
        await lease.write(blobs.remove, name)
        after_step(2)
    return garbage


def _served(public: Path, published: Published) -> Iterator[str]:
    for role, current in published.roles.items():
        for version in range(max(1, current.version - SUPERSEDED), current.version + 1):
            path = public / "metadata" / metadata_name(role, version)
            if path.is_file():
                data = read_bounded(path, metadata_limit(role))
                yield from _targets(role, data)


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
