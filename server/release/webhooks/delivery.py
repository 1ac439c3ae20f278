"""Delivers queued events to their webhooks, with retries, until they are accepted or given up.

Each webhook gets one delivery at a time, oldest first. Several webhooks are served concurrently, so
a slow receiver does not delay the others. After a crash, an interrupted delivery is sent again a
minute later, with the same event id.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from server.release.auth.audit_log import SERVER
from server.release.webhooks.deliveries import (
    Message,
    claim,
    decode_retry_after,
    find_due,
    forget_old,
    measure_queue,
    plan_retry,
    record_failure,
    record_success,
)
from server.release.webhooks.directory import switch_off
from server.release.webhooks.event import sign_message
from server.release.webhooks.sender import Attempt, Sender
from server.storage.database import Sessions

RESULTS = ("delivered", "failed", "given-up")


class WebhookMetrics:
    """Metrics of attempts and of the queue."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.attempts = Counter(
            "hening_webhook_attempts",
            "Attempts to deliver an event by result; given-up is the last one of a delivery",
            ["result"],
            registry=registry,
        )
        self.switched_off = Counter(
            "hening_webhooks_switched_off",
            "Webhooks that were switched off after failed deliveries or an answer 410",
            registry=registry,
        )
        self.waiting = Gauge(
            "hening_webhook_waiting", "Events that wait to be delivered", registry=registry
        )
        self.oldest = Gauge(
            "hening_webhook_oldest_seconds", "Age of the oldest waiting event", registry=registry
        )
        for result in RESULTS:
            self.attempts.labels(result)


TICK_SECONDS = 0.5
AT_ONCE = 16  # webhooks served at the same time
IN_A_ROW = 20  # deliveries to one webhook before another one is served
FORGET_SECONDS = 3600
MEASURE_SECONDS = 10
# After this time without a success, the next delivery that is given up switches the webhook off.
FAILING_SECONDS = 5 * 86_400
log = structlog.get_logger()


@dataclass(eq=False)
class WebhookDelivery:
    """Delivers queued events; several processes may share the queue."""

    sessions: Sessions
    sender: Sender
    clock: Callable[[], int]
    entropy: Callable[[int], bytes]
    alarm: Callable[[str], None]
    metrics: WebhookMetrics
    _busy: set[str] = field(default_factory=set, init=False)
    _places: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(AT_ONCE), init=False
    )
    _forgot: int = field(default=0, init=False)
    _measured: int = field(default=0, init=False)

    async def run(self) -> None:
        """Deliver until cancelled; failures are logged, and retried."""
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    await self._start_due(group)
                    await self._forget()
                    if abs(self.clock() - self._measured) >= MEASURE_SECONDS:
                        await self.measure()
                except Exception as error:  # noqa: BLE001 - a bug must not end the task silently
                    log.error("webhooks are not delivered", error=type(error).__name__)
                await asyncio.sleep(TICK_SECONDS)

    async def deliver_due(self) -> None:
        """Make one attempt for each due delivery, and return when all attempts have ended."""
        async with asyncio.TaskGroup() as group:
            await self._start_due(group)

    async def _start_due(self, group: asyncio.TaskGroup) -> None:
        for webhook in await find_due(self.sessions, self.clock(), self._busy):
            self._busy.add(webhook)
            group.create_task(self._serve(webhook))

    async def _serve(self, webhook: str) -> None:
        try:
            async with self._places:
                for _ in range(IN_A_ROW):
                    message = await claim(self.sessions, webhook, self.clock())
                    if message is None or not await self._deliver(message):
                        break
        except Exception as error:  # noqa: BLE001 - as above; the claim expires
            log.error("webhooks are not delivered", webhook=webhook, error=type(error).__name__)
        finally:
            self._busy.discard(webhook)

    async def _deliver(self, message: Message) -> bool:
        headers = sign_message(message.secrets, message.event_id, self.clock(), message.body)
        attempt = await self.sender.send(message.url, headers, message.body)
        if not attempt.error:
            await record_success(self.sessions, message, self.clock())
            self.metrics.attempts.labels("delivered").inc()
            return True
        await self._fail(message, attempt)
        return False

    async def _fail(self, message: Message, attempt: Attempt) -> None:
        now = self.clock()
        wait = None if attempt.gone else plan_retry(message.attempts, self.entropy)
        if wait is not None:  # Retry-After can only lengthen the wait
            wait = max(wait, decode_retry_after(attempt.retry_after, now))
        is_off = False
        async with self.sessions.begin() as session:
            since = await record_failure(session, message, attempt.error, now, wait)
            if attempt.gone or (wait is None and now - since >= FAILING_SECONDS):
                is_off = await switch_off(session, message.webhook, SERVER, attempt.error, now)
        log.warning("a webhook failed", webhook=message.webhook, error=attempt.error)
        self.metrics.attempts.labels("failed" if wait is not None else "given-up").inc()
        if wait is None:
            self.alarm(f"an event for the webhook {message.webhook} was given up: {attempt.error}.")
        if is_off:
            self.metrics.switched_off.inc()
            self.alarm(f"the webhook {message.webhook} was switched off: {attempt.error}.")

    async def _forget(self) -> None:
        now = self.clock()
        if now - self._forgot >= FORGET_SECONDS:
            await forget_old(self.sessions, now)
            self._forgot = now

    async def measure(self) -> None:
        """Update the metrics of waiting deliveries: their number, and the age of the oldest."""
        count, oldest = await measure_queue(self.sessions)
        self.metrics.waiting.set(count)
        self._measured = now = self.clock()
        self.metrics.oldest.set(0 if oldest is None else max(0, now - oldest))
