"""What a step of upkeep is given."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.storage.bodies import Bodies
from server.cloud.storage.lease import Lease
from server.cloud.upkeep.retention import Retention
from server.storage.database import Sessions


@dataclass(frozen=True, slots=True)
class Work:
    """One round of upkeep at `now`, epoch seconds, under a lease."""

    database: Sessions
    bodies: Bodies
    lease: Lease
    retention: Retention
    now: int

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """Give a transaction that writes; raises LeaseLostError where the lease ran out."""
        async with self.database.begin() as db:
            await self.lease.prolong(db)
            yield db
