"""Periodic checks by the monitor, and their result for readiness."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from server.publisher.alarms import Notice
from server.publisher.clock import ClockKeeper
from server.publisher.monitor import Monitor

POLL_SECONDS = 10.0  # between two rounds
FIRST_SECONDS = 60.0  # the first round waits this long for the first renewal
STALE_SECONDS = 60.0  # without a round for so long, something is stuck


class Maintenance:
    """Runs the monitor and the clock keeper periodically.

    `serves` returns whether phones are answered from a snapshot.
    """

    def __init__(
        self,
        monitor: Monitor,
        keeper: ClockKeeper,
        serves: Callable[[], bool],
        monotonic: Callable[[], float],
    ) -> None:
        self.renewed = asyncio.Event()
        self._monitor = monitor
        self._keeper = keeper
        self._clock_alarms: list[str] = []
        self._serves = serves
        self._monotonic = monotonic
        self._found: list[str] = ["this server has only just begun."]
        self._at = monotonic()

    async def run(self) -> None:
        """Run for ever; the first round waits for due renewals."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_SECONDS):
                await self.renewed.wait()
        while True:
            self._clock_alarms = await self._keeper.poll()
            self._found = await self._monitor.poll()
            self._at = self._monotonic()
            await asyncio.sleep(POLL_SECONDS)

    def alarms(self) -> Sequence[Notice]:
        """Return what needs attention now: why it is not ready, the clock, and the rest."""
        seen = [
            *(Notice("clock", "critical", sentence) for sentence in self._clock_alarms),
            *self._monitor.notices,
        ]
        said = {notice.sentence for notice in seen}
        reasons = [reason for reason in self.reasons() if reason not in said]
        return [*(Notice("server", "critical", reason) for reason in reasons), *seen]

    def reasons(self) -> Sequence[str]:
        """Return why this server is not ready, empty when it is; callable from any thread."""
        reasons = list(self._found)
        if self._monotonic() - self._at > STALE_SECONDS:
            reasons.append("the last look at the state was over a minute ago.")
        if not self._serves():
            reasons.append("no snapshot is loaded, or no worker serves it.")
        return reasons
