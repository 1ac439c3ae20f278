"""The publishing loop: renewals, bundles, due changes, and removal of superseded files."""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import structlog

from server.alarms import Instruments
from server.publisher.expiry.metrics import PublishMetrics
from server.publisher.incoming import list_ignored
from server.publisher.publisher import Publisher
from server.release.rollouts.rollouts import Rollouts

TICK_SECONDS = 0.1  # between two looks for bundles
DUE_SECONDS = 0.5  # between two looks for what is due: due times are whole seconds
IGNORED_SECONDS = 2.0  # between two looks for what is no bundle
DRAIN_SECONDS = 3600.0  # between two removals of superseded role files
RETRY_SECONDS = 0.5  # after a failed look
log = structlog.get_logger()


async def publish_for_ever(
    publisher: Publisher,
    rollouts: Rollouts,
    incoming: Path,
    tools: Instruments,
    wake: asyncio.Event,
    renewed: asyncio.Event,
) -> None:
    """Repair, then renew, carry out due changes and, concurrently, publish bundles; for ever.

    `wake` triggers an immediate look for bundles; `renewed` is set after the first attempt to
    renew.
    """
    while True:
        try:
            _log_completed(await publisher.repair())
            break
        except Exception as error:  # noqa: BLE001 - a bug must not end publishing in silence
            tools.fail(error)
            await asyncio.sleep(RETRY_SECONDS)
    draining, ignored = Draining(), set[str]()

    async def complete() -> None:
        _log_completed(await publisher.complete())

    # Two tasks: a bundle whose packages take an hour to ingest must not delay the timestamp's
    # renewal or a due change.
    async with asyncio.TaskGroup() as group:
        group.create_task(
            _repeat(
                [
                    (DUE_SECONDS, complete),
                    (DUE_SECONDS, lambda: _renew(publisher)),
                    (DUE_SECONDS, lambda: _carry_out_due(rollouts)),
                    (DUE_SECONDS, lambda: draining.poll(publisher, rollouts)),
                ],
                tools,
                asyncio.Event(),
                renewed.set,
            )
        )
        group.create_task(
            _repeat(
                [
                    (TICK_SECONDS, lambda: _publish(publisher, tools.metrics)),
                    (IGNORED_SECONDS, lambda: _name_ignored(incoming, ignored)),
                ],
                tools,
                wake,
                lambda: None,
            )
        )


async def _repeat(
    works: Sequence[tuple[float, Callable[[], Awaitable[None]]]],
    tools: Instruments,
    wake: asyncio.Event,
    after: Callable[[], None],
) -> None:
    """Run each of `works` at its interval in seconds, and all immediately when `wake` is set.

    A work that fails runs again after RETRY_SECONDS; the others go on.
    """
    loop = asyncio.get_running_loop()
    next_at = [0.0] * len(works)
    while True:
        for number, (interval, work) in enumerate(works):
            if loop.time() < next_at[number]:
                continue
            try:
                await work()
                pause = interval
            except Exception as error:  # noqa: BLE001 - as above
                tools.fail(error)
                pause = RETRY_SECONDS
            next_at[number] = loop.time() + pause
        after()
        with contextlib.suppress(TimeoutError):
            # `wait_for` of Python 3.11 swallows cancellations.
            async with asyncio.timeout(min(next_at) - loop.time()):
                await wake.wait()
        if wake.is_set():
            next_at = [0.0] * len(works)
        wake.clear()


def _log_completed(snapshot: int | None) -> None:
    if snapshot is not None:
        log.info("completed what was interrupted", snapshot=snapshot)


async def _publish(publisher: Publisher, metrics: PublishMetrics) -> None:
    for result in await publisher.process_incoming():
        if result.status == "refused":
            metrics.refused()
        log.info(
            result.status,
            submission=result.id[:16],
            reason=result.reason,
            snapshot=result.snapshot,
        )


async def _carry_out_due(rollouts: Rollouts) -> None:
    for change in await rollouts.run_due():
        log.info(change.state, change=change.id, reason=change.reason, snapshot=change.snapshot)


class Draining:
    """Removes superseded role files once an hour."""

    def __init__(self) -> None:
        self._at = -math.inf

    async def poll(self, publisher: Publisher, rollouts: Rollouts) -> None:
        """Remove what may go, unless that was done within the hour.

        Whether an interrupted change was published is found in role files: until then all stay.
        """
        now = asyncio.get_running_loop().time()
        if now - self._at >= DRAIN_SECONDS and not await rollouts.is_interrupted():
            self._at = now
            removed = await publisher.drain()
            if removed:
                log.info("superseded role files were removed", removed=removed)


async def _renew(publisher: Publisher) -> None:
    renewed = await publisher.refresh()
    if renewed:
        log.info("renewed", renewed=renewed)


async def _name_ignored(incoming: Path, known: set[str]) -> None:
    """Log each entry of `incoming` that is not a bundle, once."""
    found = set(await asyncio.to_thread(list_ignored, incoming))
    for name in sorted(found - known):
        log.warning("not a bundle, ignored: submit with `hening-signer`", submission=name[:80])
    known.clear()
    known.update(found)
