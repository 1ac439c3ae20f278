"""The alarms and metrics of a running server, in one place."""

from collections.abc import Callable
from datetime import datetime

import structlog
from prometheus_client import CollectorRegistry, Counter

from server.publisher.expiry.metrics import SWAPPED, PublishMetrics

log = structlog.get_logger()


class Instruments:
    """Counters and alarms. `wake` is called for each step of a publication, as it ends."""

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
        """Log what needs an operator's attention."""
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
        """Count a step, and pass it on."""
        self._wake(step)
        self.metrics.after_step(step)
        if step == SWAPPED:
            self.metrics.last.set(self._clock().timestamp())
