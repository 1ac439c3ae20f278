"""Keeps a doubt of the clock on disk, where the next start and every command finds it."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from prometheus_client import Gauge

from server.core.errors import HeningError
from server.publisher.alarm_book import AGAIN
from server.publisher.clock_record import ClockRecord, load_clock_record, write_clock_record
from server.publisher.steady_clock import FAR, SteadyClock
from server.storage.layout import StateFolder


class ClockKeeper:
    """Looks at a steady clock every few seconds, and for a person who confirmed the wall clock."""

    def __init__(
        self,
        folder: StateFolder,
        wall: Callable[[], datetime],
        steady: SteadyClock,
        gauge: Gauge,
        say: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._wall = wall
        self._steady = steady
        self._gauge = gauge
        self._say = say
        self._said: datetime | None = None

    async def look(self) -> list[str]:
        """Look once; returns the alarm that holds, if one does."""
        now = self._steady()
        try:
            record = await asyncio.to_thread(load_clock_record, self._folder)
            if self._steady.is_doubted and _vouches(record, self._wall()):
                self._steady.confirm()
                now = self._steady()
            if self._steady.is_doubted is not record.is_doubted:
                at = int(self._wall().timestamp()) if self._steady.is_doubted else 0
                await asyncio.to_thread(
                    write_clock_record, self._folder, ClockRecord(at, record.confirmed)
                )
        except (HeningError, OSError) as error:
            return [str(error)]
        self._gauge.set(self._steady.ahead.total_seconds())
        if not self._steady.is_doubted:
            self._said = None
            return []
        sentence = (
            f"the clock says {self._wall():%Y-%m-%d %H:%M} UTC and is not believed: it is"
            f" {now:%Y-%m-%d %H:%M} without its jump. Mend it, or where it is right run"
            " `hening-server clock confirm`."
        )
        if self._said is None or now - self._said >= AGAIN:
            if self._said is not None:  # the jump itself was said at once
                self._say(sentence)
            self._said = now
        return [sentence]


def _vouches(record: ClockRecord, wall: datetime) -> bool:
    return abs(wall.timestamp() - record.confirmed) <= FAR.total_seconds()
