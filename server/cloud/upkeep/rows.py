"""Remove expired sessions, old revisions, tombstones and chunks, and bodies without a row.

A collection's rows are removed while it is locked, and the owner's usage is reduced in the same
transaction.

A crash between storing a body and its row, or a refusal after the body was stored, leaves a body
without a row. It is removed once it is so old that no request can still be about to refer to it:
names are random, and each belongs to one request.

`Work` is the argument of every step of upkeep.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from collections.abc import Collection as Several
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from server.cloud.accounts.owners import charge
from server.cloud.copying.contents import find_named
from server.cloud.law.journal import forget_records, load_records
from server.cloud.law.rounds import Law
from server.cloud.records.access import lock_accounts
from server.cloud.records.chunks import load_used
from server.cloud.settings import DAY, CloudSettings
from server.cloud.storage.bodies import Bodies
from server.cloud.storage.lease import Lease, may_remove_bodies
from server.cloud.storage.models import Chunk, Collection, Invitation, Item, Member, Revision, Site
from server.cloud.storage.models import Session as SessionRow
from server.core.cloud_policy import Lifetimes
from server.storage.database import Sessions

AT_ONCE = 200
"""Maximum number of rows removed in one transaction, during which SQLite blocks other writers."""
HOUR = 60 * 60


@dataclass(frozen=True, slots=True)
class Retention:
    """Retention periods, in seconds.

    `sessions` counts from a device's last use, `revisions` from their replacement, `tombstones`
    from the item's deletion, and `leftovers` from the last write of an upload.
    """

    sessions: int
    revisions: int
    tombstones: int
    leftovers: int


def retention_of(settings: CloudSettings, days: Lifetimes | None) -> Retention:
    """Return the settings' retention periods, limited by the policy's `days`."""
    sessions, revisions = settings.session_days, settings.revisions_days
    tombstones = settings.tombstones_days
    if days is not None:
        sessions = min(sessions, days.session_idle)
        revisions, tombstones = min(revisions, days.revisions), min(tombstones, days.tombstones)
    return Retention(
        sessions=sessions * DAY,
        revisions=revisions * DAY,
        tombstones=tombstones * DAY,
        leftovers=settings.leftover_hours * HOUR,
    )


@dataclass(frozen=True, slots=True)
class Work:
    """The context of one round of upkeep at `now`, in epoch seconds, under a lease."""

    law: Law
    lease: Lease
    retention: Retention
    now: int

    @property
    def database(self) -> Sessions:
        """The database of the cloud."""
        return self.law.database

    @property
    def bodies(self) -> Bodies:
        """The store of the cloud's bodies."""
        return self.law.bodies

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """Yield a write transaction; raises LeaseLostError if the lease was lost."""
        async with self.database.begin() as db:
            await self.lease.prolong(db)
            yield db


async def remove_sessions(work: Work) -> int:
    """Shorten sessions to the current retention period, and remove expired ones."""
    last = work.now + work.retention.sessions
    async with work.writing() as db:
        longer = update(SessionRow).where(SessionRow.expires_at > last)
        await db.execute(longer.values(expires_at=last))
        statement = delete(SessionRow).where(SessionRow.expires_at <= work.now)
        return len((await db.execute(statement.returning(SessionRow.id))).all())


async def remove_revisions(work: Work) -> int:
    """Remove revisions whose retention period has ended since they were replaced."""
    is_old = Revision.replaced_at < work.now - work.retention.revisions
    old = select(Item.collection).join(Revision, Revision.item == Item.id).where(is_old).limit(1)
    count = 0
    while (collection := await _find(work, old)) is not None:
        async with work.writing() as db:
            owner = await _lock(db, collection)
            query = select(Revision.id, func.length(Revision.meta)).join(
                Item, Revision.item == Item.id
            )
            query = query.where(Item.collection == collection, is_old).limit(AT_ONCE)
            rows = (await db.execute(query)).all()
            await _remove(db, Revision.id, [row[0] for row in rows])
            await charge(db, owner, -sum(row[1] for row in rows))
            await _set_sweep_time(db, collection, work.now)
            count += len(rows)
    return count


async def remove_tombstones(work: Work) -> int:
    """Remove items deleted long ago, and collections whose own item was deleted long ago."""
    is_old = Item.deleted.is_(True) & (Item.written_at < work.now - work.retention.tombstones)
    old, count = select(Item.collection).where(is_old).limit(1), 0
    while (collection := await _find(work, old)) is not None:
        async with work.writing() as db:
            owner = await _lock(db, collection)
            own = select(Collection.uid).where(Collection.id == collection).scalar_subquery()
            here = Item.collection == collection
            whole = await db.scalar(select(Item.id).where(here, is_old, Item.uid == own))
            query = select(Item.id).where(here if whole is not None else here & is_old)
            # Remove the collection's own item last: while it exists, later passes remove the rest.
            query = query.order_by(Item.uid == own).limit(AT_ONCE + 1)
            found = (await db.scalars(query)).all()
            items, is_whole = found[:AT_ONCE], whole is not None and len(found) <= AT_ONCE
            await charge(db, owner, -await _remove_items(db, items))
            await _set_sweep_time(db, collection, work.now)
            stored = await _remove_collection(db, collection, owner) if is_whole else []
            may_remove = await may_remove_bodies(db)
        count += len(items)
        await _remove_bodies(work, stored if may_remove else [])
    return count


async def remove_chunks(work: Work) -> int:
    """Remove chunks that no revision uses, unless a client may have sent them for a new item."""
    due, count = select(Collection.id).where(Collection.sweep_at <= work.now).limit(1), 0
    while (collection := await _find(work, due)) is not None:
        async with work.writing() as db:
            owner = await _lock(db, collection)
            unused = await _find_unused(db, collection)
            limit = work.now - work.retention.leftovers
            old = [chunk for chunk in unused if chunk.written_at <= limit][:AT_ONCE]
            remaining = set(unused) - set(old)
            again = min((chunk.written_at for chunk in remaining), default=None)
            sweep_at = None if again is None else again + work.retention.leftovers
            await db.execute(
                update(Collection).where(Collection.id == collection).values(sweep_at=sweep_at)
            )
            await _remove(db, Chunk.id, [chunk.id for chunk in old])
            await charge(db, owner, -sum(chunk.length for chunk in old))
            may_remove = await may_remove_bodies(db)
        count += len(old)
        stored = [chunk.stored for chunk in old if chunk.stored is not None]
        await _remove_bodies(work, stored if may_remove else [])
    return count


class _Unused(msgspec.Struct, frozen=True):
    id: int
    length: int
    stored: str | None
    written_at: int


async def _find_unused(db: AsyncSession, collection: int) -> list[_Unused]:
    used = await load_used(db, collection)
    rows = select(Chunk.uid, Chunk.id, Chunk.length, Chunk.stored, Chunk.written_at).where(
        Chunk.collection == collection
    )
    return [_Unused(*row[1:]) for row in await db.execute(rows) if row.uid not in used]


async def _remove_items(db: AsyncSession, items: Sequence[int]) -> int:
    """Remove items and their revisions; returns the bytes of their metadata."""
    total = 0
    for table, of_items in ((Revision, Revision.item), (Item, Item.id)):
        query = select(func.coalesce(func.sum(func.length(table.meta)), 0))
        total += int(await db.scalar(query.where(of_items.in_(items))) or 0)
        await _remove(db, of_items, items)
    return total


async def _remove_collection(db: AsyncSession, collection: int, owner: str) -> list[str]:
    """Remove a collection that has no items; returns the names of its bodies."""
    chunks = select(Chunk.length, Chunk.stored).where(Chunk.collection == collection)
    rows = (await db.execute(chunks)).all()
    await charge(db, owner, -sum(row.length for row in rows))
    for of_it in (Chunk.collection, Invitation.collection, Member.collection, Collection.id):
        await _remove(db, of_it, [collection])
    return [row.stored for row in rows if row.stored is not None]


async def _find(work: Work, query: Select[int]) -> int | None:
    async with work.database() as db:
        found: int | None = await db.scalar(query)
        return found


async def _lock(db: AsyncSession, collection: int) -> str:
    """Lock a collection and its members' accounts, in the same order as writers do."""
    query = select(Collection.owner).where(Collection.id == collection).with_for_update()
    owner: str = (await db.scalars(query)).one()
    await lock_accounts(db, collection, owner)
    return owner


async def _set_sweep_time(db: AsyncSession, collection: int, now: int) -> None:
    await db.execute(update(Collection).where(Collection.id == collection).values(sweep_at=now))


async def _remove(
    db: AsyncSession, column: InstrumentedAttribute[int], values: Several[int]
) -> None:
    if values:
        await db.execute(delete(column.class_).where(column.in_(values)))


async def _remove_bodies(work: Work, stored: Iterable[str]) -> None:
    for name in stored:
        await work.bodies.remove(name)


LOOK_SECONDS = DAY
"""Seconds between two scans of all bodies, as S3 providers charge for listings."""


async def sweep_uploads(work: Work) -> int:
    """Remove the leftovers of interrupted uploads; returns their number."""
    return await work.bodies.sweep(work.now - work.retention.leftovers)


async def remove_bodies(work: Work) -> int:
    """Remove old bodies without a row, and expired erasure records, once a day."""
    async with work.database() as db:
        if (await db.scalar(select(Site.looked_at)) or 0) > work.now - LOOK_SECONDS:
            return 0
    limit = work.now - work.retention.leftovers
    count = await forget_records(work.bodies, await load_records(work.bodies), work.now)
    async for page in work.bodies.pages():
        old = [body.name for body in page if body.time < limit]
        async with work.writing() as db:
            named = await find_named(db, old)
            may_remove = await may_remove_bodies(db)
        for name in set(old) - named.keys() if may_remove else ():
            await work.bodies.remove(name)
            count += 1
    async with work.writing() as db:
        await db.execute(update(Site).values(looked_at=work.now))
    return count
