"""The alarms and metrics of a running server, the monitor's rounds, and readiness.

The monitor checks periodically and after publications.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from prometheus_client import CollectorRegistry, Counter

from server.device.snapshot import Snapshot
from server.publisher.expiry.alarms import Notice
from server.publisher.expiry.clock import ClockKeeper
from server.publisher.expiry.metrics import SWAPPED, PublishMetrics
from server.publisher.expiry.monitor import Monitor

POLL_SECONDS = 10.0  # between two rounds
MIN_SECONDS = 1.0  # at least, between two rounds, because a round reads all roles
FIRST_SECONDS = 60.0  # the first round waits at most this long for the first renewal
STALE_SECONDS = 60.0  # after this time without a round, something is stuck
log = structlog.get_logger()


class Instruments:
    """Counters and alarms. `wake` is called at the end of each step of a publication."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        wake: Callable[[int], None],
    ) -> None:
        self.registry = CollectorRegistry()
        self.failures = Counter("hening_publish_failures", "Failed ticks", registry=self.registry)
        self.metrics = PublishMetrics(self.registry, monotonic)
        self._clock = clock
        self._wake = wake

    def alarm(self, sentence: str) -> None:
        """Log a failure of publishing, and count it."""
        self.failures.inc()
        self.say(sentence)

    def say(self, sentence: str) -> None:
        """Log a sentence that needs an operator's attention."""
        log.error("alarm", error=sentence)

    def notice_jump(self, sentence: str) -> None:
        """Log a jump of the clock, and count it."""
        self.metrics.jumps.inc()
        self.say(sentence)

    def fail(self, error: Exception) -> None:
        """Log a failed attempt, and count it."""
        self.failures.inc()
        self.metrics.failed()
        log.error("publishing failed and is tried again", error=str(error))

    def after_step(self, step: int) -> None:
        """Count a finished step, and call `wake` with it."""
        self._wake(step)
        self.metrics.after_step(step)
        if step == SWAPPED:
            self.metrics.last.set(self._clock().timestamp())


class Maintenance:
    """Runs the monitor and the clock keeper periodically, and after each publication.

    `serves` returns whether phones are answered from a snapshot. `renews`: this process also renews
    roles, so the first round waits for the first renewal.
    """

    def __init__(
        self,
        monitor: Monitor,
        keeper: ClockKeeper,
        serves: Callable[[], bool],
        monotonic: Callable[[], float],
        *,
        renews: bool = True,
    ) -> None:
        self.renewed = asyncio.Event()
        if not renews:
            self.renewed.set()
        self._published = asyncio.Event()
        self._monitor = monitor
        self._keeper = keeper
        self._clock_alarms: list[str] = []
        self._serves = serves
        self._others: list[Callable[[], Sequence[str]]] = []
        self._monotonic = monotonic
        self._found: list[str] = ["this server has just started."]
        self._at = monotonic()

    async def run(self) -> None:
        """Run until cancelled; the first round waits for due renewals."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_SECONDS):
                await self.renewed.wait()
        while True:
            self._clock_alarms = await self._keeper.poll()
            self._found = await self._monitor.poll()
            self._at = self._monotonic()
            await asyncio.sleep(MIN_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS - MIN_SECONDS):
                    await self._published.wait()
            self._published.clear()

    def add_reasons(self, reasons: Callable[[], Sequence[str]]) -> None:
        """Include what `reasons` returns in the reasons why this server is not ready."""
        self._others.append(reasons)

    async def check_soon(self, _snapshot: Snapshot) -> None:
        """Begin a round soon, because this or another process has published."""
        self._published.set()

    def alarms(self) -> Sequence[Notice]:
        """Return all current alarms: why this server is not ready, the clock's, the monitor's."""
        seen = [
            *(Notice("clock", "critical", sentence) for sentence in self._clock_alarms),
            *self._monitor.notices,
        ]
        sentences = {notice.sentence for notice in seen}
        reasons = [reason for reason in self.reasons() if reason not in sentences]
        return [*(Notice("server", "critical", reason) for reason in reasons), *seen]

    def reasons(self) -> Sequence[str]:
        """Return why this server is not ready; empty if it is. Callable from any thread."""
        reasons = list(self._found)
        if self._monotonic() - self._at > STALE_SECONDS:
            reasons.append("the state was last checked over a minute ago.")
        if not self._serves():
            reasons.append("no snapshot is loaded, or no worker serves it.")
        for other in self._others:
            reasons += other()
        return reasons
