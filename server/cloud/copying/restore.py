"""A cloud made from a backup.

Bodies come first, each against its hash, then all rows in one transaction, then the settings that
say that there is a cloud. So a restore that is cut off leaves no cloud, and is run again.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.copying.backup import BackupFolder, Manifest, hash_file
from server.cloud.copying.check import Report, check_cloud
from server.cloud.copying.contents import copy_missing, copy_rows
from server.cloud.law.journal import announce_again, copy_records
from server.cloud.law.policies import find_newest
from server.cloud.settings import DAY, CloudFolder, CloudSettings
from server.cloud.storage import MIGRATIONS
from server.cloud.storage.bodies import Bodies
from server.cloud.storage.models import AppToken, Session, Site
from server.storage.bounded import TEMPORARY
from server.storage.database import Sessions, open_database
from server.storage.durable import create_file, make_folder, write_durable
from server.storage.errors import StorageError
from server.storage.place import PostgresAddress

GENERATION_BYTES = 4


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored: of when it is, how many rows and bodies, and what a check found.

    `erased` accounts are there again and are erased before the cloud serves anything.
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
    """Make the cloud of `folder` from a backup; raises StorageError.

    A backup that is older than its policy allows is refused.

    Accounts that were erased since the backup was made are announced for erasure, by the records
    of the backup and of `former`, the store of the cloud that this one takes the place of; None
    where that is lost, too.

    Devices and programs have to log in again unless `keep_sessions`: among their tokens may be one
    that was taken from a thief after the backup was made. Cursors end in either case, so that
    devices look at everything once.
    """
    manifest = await asyncio.to_thread(backup.read)
    if manifest.region != settings.region:
        raise StorageError(
            f"the backup is of the region {manifest.region}, and this cloud is {settings.region}:"
            " nothing was changed."
        )
    place = folder.database(settings)
    is_new = not await asyncio.to_thread(folder.settings.exists)
    if is_new and not isinstance(place, PostgresAddress):
        # What an earlier try left; a cloud is not there before its settings are.
        await asyncio.to_thread(_remove, place)
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
            await _begin_anew(db, entropy(GENERATION_BYTES), keep_sessions=keep_sessions)
        report = await check_cloud(database, bodies, read=False)
    if is_new:
        text = f'region = "{manifest.region}"\n'
        await asyncio.to_thread(write_durable, folder.settings, text.encode())
    return Restored(manifest.made_at, rows, count, erased, report)


@asynccontextmanager
async def _opened(
    backup: BackupFolder, manifest: Manifest, folder: CloudFolder
) -> AsyncIterator[Sessions]:
    """Give a copy of the backup's database, which may be migrated: the backup stays as it is."""
    source = folder.root / f"{TEMPORARY}restore.sqlite"
    await asyncio.to_thread(_copy_verified, backup.root / manifest.database, source, manifest)
    try:
        async with open_database(source, migrations=MIGRATIONS) as copy:
            yield copy
    finally:
        await asyncio.to_thread(_remove, source)


async def _check_age(copy: Sessions, made_at: int, now: int) -> None:
    """Raise StorageError from the day on which receipts of erasures call this backup gone."""
    async with copy() as db:
        policy = await find_newest(db)
    if policy is not None and now >= (made_at // DAY + policy.days.backups + 1) * DAY:
        raise StorageError(
            f"the backup is {(now - made_at) // DAY} days old, and the policy of {policy.region}"
            f" keeps backups for {policy.days.backups} days: destroy it, and restore a newer one."
        )


async def _begin_anew(db: AsyncSession, generation: bytes, *, keep_sessions: bool) -> None:
    """End cursors, and sessions and tokens unless they are to be kept."""
    await db.execute(update(Site).values(generation=generation, looked_at=0))
    if not keep_sessions:
        for table in (Session, AppToken):
            await db.execute(delete(table))


def _copy_verified(source: Path, target: Path, manifest: Manifest) -> None:
    if not source.exists() or hash_file(source) != manifest.sha256:
        raise StorageError(f"{source} is damaged or not there: take another backup.")
    make_folder(target.parent)
    _remove(target)
    create_file(target)
    shutil.copyfile(source, target)


def _remove(database: Path) -> None:
    for path in database.parent.glob(f"{database.name}*"):
        path.unlink()
