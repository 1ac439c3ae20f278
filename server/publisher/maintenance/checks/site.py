"""Reads everything that the checks use, once, and in an order that tolerates publications.

A publication writes rows, then the checkpoint, then files, and the timestamp last. Here they are
read in reverse, so that everything that a file names exists when it is read later.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

from sqlalchemy import select, text

from server.core.errors import HeningError
from server.core.metadata import decode_snapshot, decode_timestamp
from server.core.note import MAX_NOTE
from server.publisher.published import Published, list_versions, load_published
from server.storage.blobs import BlobStore
from server.storage.bounded import read_bounded
from server.storage.database import Sessions
from server.storage.layout import PostgresAddress, StateFolder
from server.storage.models import Blob, Lease, LogEntry, Submission, Upload
from server.storage.tree import read_role


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a state folder. `unreadable` is the error of a public tree that cannot be read.

    `current` maps each role that the timestamp lists to its version, snapshot included, as far as
    that can be read. `names` are the files of `public/metadata`, `log_files` the paths below
    `public/log`, `results` the names of the results.
    """

    published: Published | None
    unreadable: str
    current: Mapping[str, int]
    names: frozenset[str]
    log_files: frozenset[str]
    checkpoint: bytes | None
    results: frozenset[str]
    is_staged: bool


@dataclass(frozen=True, slots=True)
class Site(Files):
    """A state folder at one moment; `faults` are the database's own findings."""

    folder: StateFolder
    blobs: BlobStore
    now: datetime
    entries: Sequence[LogEntry]
    records: Mapping[str, int]
    submissions: Mapping[str, Submission]
    uploads: Sequence[Upload]
    lease: Lease | None
    faults: Sequence[str]

    @property
    def is_busy(self) -> bool:
        """Whether a process publishes or changes keys at this moment."""
        return self.lease is not None and self.lease.expires_at > int(self.now.timestamp())


async def load_site(
    folder: StateFolder, sessions: Sessions, blobs: BlobStore, now: datetime
) -> Site:
    """Read files, then rows. Raises StorageError if the database cannot be read."""
    files = await asyncio.to_thread(_load_files, folder)
    async with sessions() as session:
        # One transaction, and uploads first: each of them names a recorded blob.
        uploads = (await session.scalars(select(Upload))).all()
        lease = await session.get(Lease, "publisher")
        submissions = (await session.scalars(select(Submission))).all()
        records = (await session.scalars(select(Blob))).all()
        entries = (await session.scalars(select(LogEntry).order_by(LogEntry.index))).all()
        faults = list[str]()
        if not isinstance(folder.database, PostgresAddress):
            found = await session.scalars(text("PRAGMA integrity_check(20)"))
            faults += [row for row in found if row != "ok"]
            broken = await session.execute(text("PRAGMA foreign_key_check"))
            faults += [f"a row of {row[0]} names one of {row[2]} that is gone" for row in broken]
    return Site(
        folder=folder,
        blobs=blobs,
        now=now,
        **{each.name: getattr(files, each.name) for each in fields(files)},
        entries=entries,
        records={record.sha256: record.length for record in records},
        submissions={row.id: row for row in submissions},
        uploads=uploads,
        lease=lease,
        faults=faults,
    )


def _load_files(folder: StateFolder) -> Files:
    # Read accepted files before public ones: they explain newer files in the public tree.
    is_staged = folder.staging.exists()
    published, unreadable = None, ""
    try:
        published = load_published(folder.public)
    except (HeningError, OSError) as error:
        unreadable = str(error)
    current = (
        _current(folder.public)
        if published is None
        else {
            **published.versions(),
            "snapshot": published.snapshot.version,
            "root": published.root.version,
        }
    )
    log = folder.public / "log"
    return Files(
        published,
        unreadable,
        current,
        _list(folder.public / "metadata"),
        frozenset(str(p.relative_to(log)) for p in log.rglob("*") if not p.is_dir()),
        _read_checkpoint(log / "checkpoint"),
        _list(folder.results),
        is_staged,
    )


def _current(public: Path) -> dict[str, int]:
    """Return the versions that the timestamp lists, without reading them."""
    try:
        timestamp = decode_timestamp(read_role(public, "timestamp", 0)).signed
        version = timestamp.snapshot_meta.version
        snapshot = decode_snapshot(read_role(public, "snapshot", version)).signed
    except (HeningError, OSError):
        return {}
    return {**list_versions(snapshot), "snapshot": snapshot.version}


def _list(folder: Path) -> frozenset[str]:
    return frozenset(path.name for path in folder.iterdir()) if folder.is_dir() else frozenset()


def _read_checkpoint(path: Path) -> bytes | None:
    try:
        return read_bounded(path, MAX_NOTE)
    except (HeningError, OSError):
        return None
