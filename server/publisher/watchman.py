"""Looks at what is public every half minute: lives, alarms, metrics, and whether all is well."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from server.core.errors import HeningError
from server.core.names import is_online
from server.publisher.alarm_book import AGAIN, AlarmBook
from server.publisher.incoming import list_submissions
from server.publisher.lease import Lease
from server.publisher.lives import Alarm, Life, plan_alarms, plan_lives
from server.publisher.log import Log
from server.publisher.online_keys import load_online_keys
from server.publisher.plan import newest_signature
from server.publisher.publish_metrics import PublishMetrics
from server.publisher.published import PublicTree, Published
from server.storage.database import Sessions
from server.storage.layout import StateFolder

BEHIND = timedelta(seconds=60)


async def _tell_nobody(_alarm: Alarm) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found, for whoever shows it."""

    lives: tuple[Life, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    is_behind: bool = False
    """Whether the clock is behind what was signed already."""


class Watchman:
    """Tells `alarm` what a person has to look at, at its crossing and then daily.

    `tell` is given the same alarms for programs; where that fails, it is given them a day later.
    """

    def __init__(
        self,
        folder: StateFolder,
        sessions: Sessions,
        clock: Callable[[], datetime],
        metrics: PublishMetrics,
        alarm: Callable[[str], None],
        tell: Callable[[Alarm], Awaitable[None]] = _tell_nobody,
    ) -> None:
        self._folder = folder
        self._tree = PublicTree(folder.public)
        # It only reads, so that the lease is never taken.
        self._sessions = sessions
        self._log = Log(folder.public / "log", sessions, Lease(sessions, folder.lock))
        self._clock = clock
        self._metrics = metrics
        self._alarm = alarm
        self._tell = tell
        self._book = AlarmBook()
        self._begun: dict[tuple[str, int], datetime] = {}
        self._behind: datetime | None = None
        self.seen = Seen()
        self._alarms: list[str] = []

    @property
    def alarms(self) -> Sequence[str]:
        """What the last look found that a person has to look at, whether it was said or not."""
        return self._alarms

    async def look(self) -> list[str]:
        """Look once; returns why this server is not ready, a sentence each, nothing when it is."""
        now = self._clock()
        reasons = []
        try:
            await asyncio.to_thread(load_online_keys, self._folder.keys)
            waiting = await asyncio.to_thread(list_submissions, self._folder.incoming)
            self._metrics.incoming.set(len(waiting))
            published = await asyncio.to_thread(self._tree.load)
            if published is None:
                return ["nothing is published yet."]
            async with self._sessions() as session:  # what the log says is mostly known already
                await session.execute(select(1))
            lives = plan_lives(published, await self._load_begun(published))
        except (HeningError, OSError, SQLAlchemyError) as error:
            return [str(error).partition("\n")[0]]
        self._metrics.show_lives(lives, now)
        self._metrics.show_rollouts(await asyncio.to_thread(published.pointers))
        alarms = plan_alarms(lives, now)
        for alarm in self._book.due(alarms, now):
            self._alarm(str(alarm))
            try:
                await self._tell(alarm)
            except (HeningError, OSError, SQLAlchemyError) as error:
                reasons.append(str(error).partition("\n")[0])
        behind = self._look_behind(published, now)
        self._alarms = [*behind, *map(str, alarms)]
        self.seen = Seen(tuple(lives), tuple(alarms), self._behind is not None)
        # An expired model's role makes that model wait and nothing else.
        reasons += [
            str(alarm)
            for alarm in alarms
            if alarm.severity == "expired"
            and (alarm.role in {"root", "targets"} or is_online(alarm.role))
        ]
        return reasons

    def _look_behind(self, published: Published, now: datetime) -> list[str]:
        newest = newest_signature(published)
        if newest - now <= BEHIND:
            self._behind = None
            return []
        sentence = (
            f"the clock says {now:%Y-%m-%d %H:%M} UTC, and something was signed at"
            f" {newest:%Y-%m-%d %H:%M} UTC already: look at the time service; until then that"
            " time is signed."
        )
        if self._behind is None or not timedelta() <= now - self._behind < AGAIN:
            self._behind = now
            self._alarm(sentence)
        return [sentence]

    async def _load_begun(self, published: Published) -> dict[str, datetime]:
        versions = {**published.versions(), "root": published.root.version}
        unknown = versions.items() - self._begun.keys()
        self._begun = {key: at for key, at in self._begun.items() if key in versions.items()}
        self._begun |= await self._log.times(unknown)
        return {role: at for (role, _), at in self._begun.items()}
