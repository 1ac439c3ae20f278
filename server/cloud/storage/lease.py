"""Leases: tasks that only one process of all nodes may do at a time.

A lease is a row with an expiry time by the database's clock, and a `fence` that increases with each
holder. In each transaction a holder verifies that it still holds the lease. So a process that was
suspended for longer than its lease changes nothing when it resumes.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, cast, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.storage.models import Lease as Row
from server.storage.database import Sessions
from server.storage.errors import StorageError

UPKEEP: Final = "upkeep"
BACKUP: Final = "backup"
"""While it is held, no body is removed that a row referred to when it was taken."""
SECONDS = 60
"""How long a lease lasts unless its holder prolongs it."""


class LeaseLostError(StorageError):
    """The lease expired before its holder was done."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease held by this process; `fence` identifies the holder."""

    name: str
    fence: int

    async def prolong(self, db: AsyncSession) -> None:
        """Prolong the lease in a write transaction; raises LeaseLostError if it was lost."""
        statement = update(Row).where(Row.name == self.name, Row.fence == self.fence)
        expires_at = await _now(db) + SECONDS
        changed = await db.execute(statement.values(expires_at=expires_at).returning(Row.name))
        if not changed.all():
            raise LeaseLostError(
                f"the lease {self.name} of this process expired, and another process has taken"
                " it; run the command again."
            )

    async def release(self, database: Sessions) -> None:
        """Release the lease if it is still held."""
        statement = update(Row).where(Row.name == self.name, Row.fence == self.fence)
        async with database.begin() as db:
            await db.execute(statement.values(expires_at=0))


async def take_lease(database: Sessions, name: str) -> Lease | None:
    """Take a lease; returns None if another process holds it."""
    try:
        async with database.begin() as db:
            query = select(Row).where(Row.name == name).with_for_update()
            row, now = await db.scalar(query), await _now(db)
            if row is None:
                await db.execute(insert(Row).values(name=name, fence=1, expires_at=now + SECONDS))
                return Lease(name, 1)
            if row.expires_at > now:
                return None
            row.fence += 1
            row.expires_at = now + SECONDS
            return Lease(name, row.fence)
    except IntegrityError:  # another process inserted the row first
        return None


@contextlib.asynccontextmanager
async def prolonging(lease: Lease, database: Sessions) -> AsyncIterator[None]:
    """Keep prolonging a lease in the background until the block ends."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(SECONDS / 4)
            with contextlib.suppress(StorageError):  # the holder checks the lease itself
                async with database.begin() as db:
                    await lease.prolong(db)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.wait([beating])


async def may_remove_bodies(db: AsyncSession) -> bool:
    """Return, in a transaction that removes rows, whether to remove their bodies afterwards.

    False while a backup is running, which may have copied these rows; upkeep removes the bodies
    later. No backup can begin before this transaction ends.
    """
    query = select(Row.expires_at).where(Row.name == BACKUP).with_for_update(read=True)
    return (await db.scalar(query) or 0) <= await _now(db)


async def _now(db: AsyncSession) -> int:
    """Return the database's time, which is the same for all nodes."""
    is_postgresql = db.get_bind().dialect.name == "postgresql"
    time = (
        func.extract("epoch", func.clock_timestamp())
        if is_postgresql
        else func.strftime("%s", "now")
    )
    return int(await db.scalar(select(cast(time, BigInteger))) or 0)
