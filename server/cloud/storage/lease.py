"""Leases: what one process of all nodes may do at a time, and whether bodies may be removed.

A lease is a row that says until when, by the database's clock, it is held. Its `fence` grows
with each holder. A holder proves in each transaction that it is still the one: one that was stopped
for longer than its lease changes nothing when it goes on.
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
"""While it is held, no body is removed that a row named when it was taken."""
SECONDS = 60
"""How long a holder may be silent."""


class LeaseLostError(StorageError):
    """The lease ran out before its holder was done."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease that was taken; `fence` is the number of its holder."""

    name: str
    fence: int

    async def prolong(self, db: AsyncSession) -> None:
        """Prolong it in a transaction that writes; raises LeaseLostError where it ran out."""
        held = update(Row).where(Row.name == self.name, Row.fence == self.fence)
        expires_at = await _now(db) + SECONDS
        changed = await db.execute(held.values(expires_at=expires_at).returning(Row.name))
        if not changed.all():
            raise LeaseLostError(
                f"this process was silent for longer than its lease of {self.name}, and another one"
                " holds it now; run the command again."
            )

    async def release(self, database: Sessions) -> None:
        """Give it back, if it is still held."""
        held = update(Row).where(Row.name == self.name, Row.fence == self.fence)
        async with database.begin() as db:
            await db.execute(held.values(expires_at=0))


async def take_lease(database: Sessions, name: str) -> Lease | None:
    """Take a lease; None where another process holds it."""
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
    except IntegrityError:  # another process made the row first
        return None


@contextlib.asynccontextmanager
async def prolonging(lease: Lease, database: Sessions) -> AsyncIterator[None]:
    """Prolong a lease until the end of the block, whatever in it takes long."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(SECONDS / 4)
            with contextlib.suppress(StorageError):  # its holder looks whether it held
                async with database.begin() as db:
                    await lease.prolong(db)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.wait([beating])


async def may_remove_bodies(db: AsyncSession) -> bool:
    """Answer in a transaction that removes rows whether their bodies may be removed after it.

    While a backup is made they may not: it has these rows. Upkeep removes such bodies later. No
    backup begins before this transaction has ended.
    """
    query = select(Row.expires_at).where(Row.name == BACKUP).with_for_update(read=True)
    return (await db.scalar(query) or 0) <= await _now(db)


async def _now(db: AsyncSession) -> int:
    """Return the time of the database, which all nodes share."""
    is_postgresql = db.get_bind().dialect.name == "postgresql"
    time = (
        func.extract("epoch", func.clock_timestamp())
        if is_postgresql
        else func.strftime("%s", "now")
    )
    return int(await db.scalar(select(cast(time, BigInteger))) or 0)
