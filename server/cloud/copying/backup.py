"""Back up a cloud while its nodes are running, and restore it.

1. Take the backup lease. While it is held, no node removes a body that a row refers to.
2. Copy all rows from one snapshot. Every body that they refer to exists by then, since a body is
   stored before its row.
3. Copy the bodies that the backup lacks, verifying their hashes, and the records of erasures.
4. Write `backup.toml` with the new database's name. Then remove older databases and unused bodies.

A restore copies the bodies first, verifying their hashes, then all rows in one transaction, and
writes the settings last. An interrupted restore leaves no cloud and can be repeated.
"""

import asyncio
import hashlib
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.copying.check import Report, check_cloud
from server.cloud.copying.contents import copy_missing, copy_rows, find_named
from server.cloud.law.journal import announce_again, copy_records
from server.cloud.law.policies import find_newest
from server.cloud.settings import DAY, CloudFolder, CloudSettings
from server.cloud.storage import MIGRATIONS
from server.cloud.storage.bodies import Bodies, LocalBodies
from server.cloud.storage.lease import BACKUP, SECONDS, prolonging, take_lease
from server.cloud.storage.models import AppToken, Session, Site
from server.core.errors import FormatError
from server.storage.bounded import TEMPORARY, read_bounded
from server.storage.database import Sessions, open_database
from server.storage.durable import create_file, make_folder, sync_file, write_durable
from server.storage.errors import StorageError
from server.storage.layout import PostgresAddress

_LIMIT = 65_536
GENERATION_BYTES = 4


class Manifest(msgspec.Struct, forbid_unknown_fields=True):
    """`backup.toml`: the region, the time (epoch seconds), and the database's file and sha256."""

    region: str
    made_at: int
    database: str
    sha256: str
    version: int = 1

    def encode(self) -> bytes:
        """Return the manifest as TOML."""
        values = msgspec.structs.asdict(self).items()
        return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values).encode()


@dataclass(frozen=True, slots=True)
class BackupFolder:
    """The paths in a backup's folder; `entropy` returns random bytes."""

    root: Path
    entropy: Callable[[int], bytes]

    @property
    def manifest(self) -> Path:
        """The manifest, which names the backup's database."""
        return self.root / "backup.toml"

    @property
    def bodies(self) -> LocalBodies:
        """The store of the backup's bodies."""
        return LocalBodies(self.root / "bodies", self.entropy)

    def read(self) -> Manifest:
        """Return the manifest; raises StorageError if there is none, FormatError if malformed."""
        if not self.manifest.exists():
            raise StorageError(
                f"there is no complete backup in {self.root}: run `hening-server cloud backup`."
            )
        try:
            data = read_bounded(self.manifest, _LIMIT)
            found = msgspec.toml.decode(data, type=Manifest)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise FormatError(f"{self.manifest} is malformed: {error}.") from error
        if Path(found.database).name != found.database:
            raise FormatError(f"{self.manifest} names a database outside the backup's folder.")
        return found


@dataclass(frozen=True, slots=True)
class Copied:
    """The numbers of copied rows, copied bodies, and removed bodies."""

    rows: int
    bodies: int
    removed: int


async def back_up(
    region: str, database: Sessions, bodies: Bodies, out: BackupFolder, now: int
) -> Copied:
    """Create or update the backup `out` of a cloud.

    Raises StorageError if `out` is another region's backup, or another backup is running.
    """
    await asyncio.to_thread(_check, out, region)
    lease = await take_lease(database, BACKUP)
    if lease is None:
        raise StorageError(
            f"another backup is running, or one was interrupted: wait for {SECONDS} seconds."
        )
    file = out.root / f"database-{now}.sqlite"
    try:
        async with prolonging(lease, database):
            await asyncio.to_thread(_remove_database, file)
            await asyncio.to_thread(make_folder, out.root)
            async with open_database(file, migrations=MIGRATIONS) as copy:
                async with copy.begin() as db:
                    rows = await copy_rows(database, db)
                count = await copy_missing(bodies, out.bodies, copy)
            await copy_records(bodies, out.bodies, now)
            async with database.begin() as db:
                await lease.prolong(db)  # fails if the lease was lost; bodies may be missing then
            await asyncio.to_thread(sync_file, file)
            manifest = Manifest(region, now, file.name, await asyncio.to_thread(hash_file, file))
            await asyncio.to_thread(write_durable, out.manifest, manifest.encode())
    finally:
        await lease.release(database)
    return Copied(rows, count, await _tidy(out, file))


async def _tidy(out: BackupFolder, file: Path) -> int:
    """Remove older databases, and bodies that the newest one does not refer to."""
    await asyncio.to_thread(_remove_older, file)
    count, bodies = 0, out.bodies
    async with open_database(file, migrations=MIGRATIONS) as copy:
        async for page in bodies.pages():
            async with copy() as db:
                named = await find_named(db, [body.name for body in page])
            for body in page:
                if body.name not in named:
                    await bodies.remove(body.name)
                    count += 1
    await bodies.sweep(float("inf"))
    return count


def hash_file(path: Path) -> str:
    """Return the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(out: BackupFolder, region: str) -> None:
    if (out.root / "cloud.toml").exists():
        raise StorageError(f"{out.root} is a cloud, not a backup: name another folder with --out.")
    if out.manifest.exists() and (found := out.read()).region != region:
        raise StorageError(
            f"{out.root} is a backup of the region {found.region}, not of {region}: name"
            " another folder with --out."
        )


def _remove_older(file: Path) -> None:
    for old in sorted(file.parent.glob("database-*.sqlite")):
        if old != file:
            _remove_database(old)


def _remove_database(file: Path) -> None:
    for path in file.parent.glob(f"{file.name}*"):
        path.unlink()


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore: the backup's time, counts of rows and bodies, and a check's report.

    `erased` counts accounts that had been erased after the backup. They are erased again before the
    cloud serves requests.
    """

    made_at: int
    rows: int
    bodies: int
    erased: int
    report: Report


async def restore(
    backup: BackupFolder,
    folder: CloudFolder,
    settings: CloudSettings,
    bodies: Bodies,
    entropy: Callable[[int], bytes],
    *,
    now: int,
    former: Bodies | None,
    keep_sessions: bool,
) -> Restored:
    """Restore the cloud of `folder` from a backup.

    Accounts that were erased after the backup are scheduled for erasure again. The records of
    erasures are read from the backup and from `former`, the body store of the cloud that is being
    replaced; None if that is lost.

    Devices and programs have to log in again unless `keep_sessions` is set, as the backup may
    contain a stolen token that was revoked later. Synchronization cursors always become invalid,
    so that each device synchronizes from the start once.

    Raises StorageError if the backup is damaged, of another region, or older than its policy
    allows, or if the database is not empty.
    """
    manifest = await asyncio.to_thread(backup.read)
    if manifest.region != settings.region:
        raise StorageError(
            f"the backup is of the region {manifest.region}, but this cloud is {settings.region}:"
            " nothing was changed."
        )
    place = folder.database(settings)
    is_new = not await asyncio.to_thread(folder.settings.exists)
    if is_new and not isinstance(place, PostgresAddress):
        # Remove a leftover of an interrupted restore: without settings there is no cloud yet.
        await asyncio.to_thread(_remove_database, place)
    async with (
        _opened(backup, manifest, folder) as copy,
        open_database(place, migrations=MIGRATIONS) as database,
    ):
        async with database() as db:
            if await db.scalar(select(Site.id)) is not None:
                raise StorageError(
                    f"the database {place} is not empty: restore into an empty one; nothing was"
                    " changed."
                )
        await _check_age(copy, manifest.made_at, now)
        count = await copy_missing(backup.bodies, bodies, copy)
        for store in (backup.bodies, *([former] if former else ())):
            records = await copy_records(store, bodies, now)
        async with database.begin() as db:
            rows = await copy_rows(copy, db)
            erased = await announce_again(db, records)
            await _invalidate(db, entropy(GENERATION_BYTES), keep_sessions=keep_sessions)
        report = await check_cloud(database, bodies, read=False)
    if is_new:
        text = f'region = "{manifest.region}"\n'
        await asyncio.to_thread(write_durable, folder.settings, text.encode())
    return Restored(manifest.made_at, rows, count, erased, report)


@asynccontextmanager
async def _opened(
    backup: BackupFolder, manifest: Manifest, folder: CloudFolder
) -> AsyncIterator[Sessions]:
    """Yield a temporary copy of the backup's database, since opening it may migrate it."""
    source = folder.root / f"{TEMPORARY}restore.sqlite"
    await asyncio.to_thread(_copy_verified, backup.root / manifest.database, source, manifest)
    try:
        async with open_database(source, migrations=MIGRATIONS) as copy:
            yield copy
    finally:
        await asyncio.to_thread(_remove_database, source)


async def _check_age(copy: Sessions, made_at: int, now: int) -> None:
    """Raise StorageError if the backup is so old that erasure receipts promise it is gone."""
    async with copy() as db:
        policy = await find_newest(db)
    if policy is not None and now >= (made_at // DAY + policy.days.backups + 1) * DAY:
        raise StorageError(
            f"the backup is {(now - made_at) // DAY} days old, and the policy of {policy.region}"
            f" keeps backups for {policy.days.backups} days: destroy it, and restore a newer one."
        )


async def _invalidate(db: AsyncSession, generation: bytes, *, keep_sessions: bool) -> None:
    """Invalidate all cursors, and all sessions and tokens unless `keep_sessions` is set."""
    await db.execute(update(Site).values(generation=generation, looked_at=0))
    if not keep_sessions:
        for table in (Session, AppToken):
            await db.execute(delete(table))


def _copy_verified(source: Path, target: Path, manifest: Manifest) -> None:
    if not source.exists() or hash_file(source) != manifest.sha256:
        raise StorageError(f"{source} is damaged or missing: use another backup.")
    make_folder(target.parent)
    _remove_database(target)
    create_file(target)
    shutil.copyfile(source, target)
