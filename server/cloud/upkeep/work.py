"""What a step of upkeep is given."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.law.rounds import Law
from server.cloud.storage.bodies import Bodies
from server.cloud.storage.lease import Lease
from server.cloud.upkeep.retention import Retention
from server.storage.database import Sessions


@dataclass(frozen=True, slots=True)
class Work:
    """One round of upkeep at `now`, epoch seconds, under a lease."""

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
        """Its bodies."""
        return self.law.bodies

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """Give a transaction that writes; raises LeaseLostError where the lease ran out."""
        async with self.database.begin() as db:
            await self.lease.prolong(db)
            yield db
