"""Checks the public state: lifetimes, alarms, metrics, and readiness."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from server.core.errors import HeningError
from server.core.names import is_online
from server.publisher.expiry.alarms import (
    Alarm,
    ExcessFinder,
    Notice,
    RaisedAlarms,
    RoleLifetime,
    list_lifetimes,
    notice_of,
    plan_alarms,
    plan_room_notices,
)
from server.publisher.expiry.metrics import PublishMetrics
from server.publisher.inbox import count_waiting
from server.publisher.keys.holder import load_keys, load_log_verifiers
from server.publisher.lease import Lease
from server.publisher.log import Log
from server.publisher.plan import newest_signature
from server.publisher.published import PublicTree, Published
from server.storage.database import Sessions
from server.storage.layout import StateFolder
from server.storage.models import Blob
from server.storage.room import Room
from server.storage.tree import LocalTree

CLOCK_BEHIND = timedelta(seconds=60)


async def _ignore_alarm(_alarm: Alarm) -> None:
    pass


@dataclass(frozen=True, slots=True)
class MonitorResult:
    """The result of one check, for display."""

    lifetimes: tuple[RoleLifetime, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    is_behind: bool = False
    """Whether the clock is earlier than an existing signature."""


class Monitor:
    """Reports problems to `alarm`: when they begin, and then daily.

    `on_expiring` receives expiring roles, to announce them to programs; if it fails, it receives
    them again a day later. `free` returns the free bytes of the disk; `room` says how many there
    must be.
    """

    def __init__(
        self,
        folder: StateFolder,
        sessions: Sessions,
        clock: Callable[[], datetime],
        metrics: PublishMetrics,
        alarm: Callable[[str], None],
        on_expiring: Callable[[Alarm], Awaitable[None]] = _ignore_alarm,
        free: Callable[[], int] = lambda: sys.maxsize,
        room: Room = Room(),  # noqa: B008 - it cannot change
    ) -> None:
        self._folder = folder
        self._tree = PublicTree(folder.public)
        # It only reads, so it never takes the lease.
        self._sessions = sessions
        self._log = Log(LocalTree(folder.public), sessions, Lease(sessions, folder.lock))
        self._clock = clock
        self._metrics = metrics
        self._alarm = alarm
        self._on_expiring = on_expiring
        self._raised = RaisedAlarms()
        self._excess_finder = ExcessFinder(folder.public)
        self._begun: dict[tuple[str, int], datetime] = {}
        self.seen = MonitorResult()
        self._free = free
        self._room = room
        self.notices: Sequence[Notice] = ()
        """The problems that the last check found, whether or not they were reported."""

    async def poll(self) -> list[str]:
        """Check once; returns the reasons why this server is not ready, one sentence each."""
        now = self._clock()
        reasons = []
        try:
            await asyncio.to_thread(load_keys, self._folder)
            waiting = await asyncio.to_thread(count_waiting, self._folder)
            self._metrics.incoming.set(waiting)
            published = await asyncio.to_thread(self._tree.load)
            if published is None:
                return ["nothing is published yet."]
            async with self._sessions() as session:  # the log's times may be cached
                await session.execute(select(1))
            lifetimes = list_lifetimes(published, await self._load_begun(published))
            notices = await self._check_resources()
            if excesses := await asyncio.to_thread(self._excess_finder.find, published, now):
                notices.append(Notice("limits", "critical", " ".join(excesses.values())))
        except (HeningError, OSError, SQLAlchemyError) as error:
            return [str(error).partition("\n")[0]]
        self._metrics.show_lifetimes(lifetimes, now)
        self._metrics.show_rollouts(await asyncio.to_thread(published.pointers), now)
        alarms = plan_alarms(lifetimes, now)
        notices += map(notice_of, alarms)
        clock = _check_clock(published, now)
        due = self._raised.due([*notices, *clock], now)
        for notice in due:
            self._alarm(str(notice))
        for alarm in alarms:
            if notice_of(alarm) in due:
                try:
                    await self._on_expiring(alarm)
                except (HeningError, OSError, SQLAlchemyError) as error:
                    reasons.append(str(error).partition("\n")[0])
        self.notices = [*clock, *notices]
        self.seen = MonitorResult(tuple(lifetimes), tuple(alarms), bool(clock))
        # An expired model's role delays that model only.
        reasons += [
            str(alarm)
            for alarm in alarms
            if alarm.severity == "expired"
            and (alarm.role in {"root", "targets"} or is_online(alarm.role))
        ]
        return reasons

    async def _check_resources(self) -> list[Notice]:
        """Check disk, quota and log."""
        used = 0
        if self._room.quota:
            async with self._sessions() as session:
                used = int(await session.scalar(select(func.sum(Blob.length))) or 0)
        free = await asyncio.to_thread(self._free)
        notices = list(plan_room_notices(free, used, self._room))
        known = await asyncio.to_thread(load_log_verifiers, self._folder)
        try:
            await self._log.check_whole(known)
        except HeningError as error:
            notices.append(Notice("log", "critical", str(error)))
        return notices

    async def _load_begun(self, published: Published) -> dict[str, datetime]:
        versions = {**published.versions(), "root": published.root.version}
        unknown = versions.items() - self._begun.keys()
        self._begun = {key: at for key, at in self._begun.items() if key in versions.items()}
        self._begun |= await self._log.times(unknown)
        return {role: at for (role, _), at in self._begun.items()}


def _check_clock(published: Published, now: datetime) -> list[Notice]:
    """Return the notice for a clock that is earlier than an existing signature, if it is."""
    newest = newest_signature(published)
    if newest - now <= CLOCK_BEHIND:
        return []
    sentence = (
        f"the clock says {now:%Y-%m-%d %H:%M} UTC, and something was signed at"
        f" {newest:%Y-%m-%d %H:%M} UTC already: check the time service. New signatures get that"
        " time until the clock has passed it."
    )
    return [Notice("clock", "critical", sentence)]
