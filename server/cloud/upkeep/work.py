"""What a step of upkeep is given, and for how long things are kept that are needed no more."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.law.rounds import Law
from server.cloud.settings import DAY, CloudSettings
from server.cloud.storage.bodies import Bodies
from server.cloud.storage.lease import Lease
from server.core.cloud_policy import Lifetimes
from server.storage.database import Sessions

HOUR = 60 * 60


@dataclass(frozen=True, slots=True)
class Retention:
    """How long, in seconds, things are kept.

    `sessions` counts from a device's last use, `revisions` from when another revision followed,
    `tombstones` from when an item was deleted, `leftovers` from when an upload's last byte came.
    """

    sessions: int = 400 * DAY
    revisions: int = 30 * DAY
    tombstones: int = 400 * DAY
    leftovers: int = DAY


def retention_of(settings: CloudSettings, days: Lifetimes | None) -> Retention:
    """Return what the settings say, or the policy's `days` where those are fewer."""
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
