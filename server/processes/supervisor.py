"""Supervises the workers: starts, feeds, watches, replaces and ends them.

Their sockets belong to this process and are not closed while it runs. So the successor of a dead
worker answers the connections in its queue.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import structlog
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from server.compat.rendering import Rendered
from server.device.snapshot import EMPTY, Snapshot
from server.http.counts import Counts
from server.processes.child import Bounds, Child, Place, begin
from server.processes.errors import ProcessError
from server.processes.messages import Certificate, Counted, WorkerConfig
from server.processes.priority import ProcessStarter

K = TypeVar("K")


class Tally:
    """Sums the counts of all workers, which report their totals since their start."""

    def __init__(self) -> None:
        self.total = Counts()
        self._last: dict[int, Counts] = {}

    def report(self, worker: int, counts: Counts) -> None:
        """Record the totals of the process `worker` since its start."""
        self.total.add(_growth(self._last.get(worker, Counts()), counts))
        self._last[worker] = counts

    def forget(self, worker: int) -> None:
        """Record that the process ended: its open connections are closed, its counts stay."""
        last = self._last.pop(worker, Counts())
        self.total.add(Counts(connections=-last.connections, downloads=-last.downloads))


def _growth(before: Counts, after: Counts) -> Counts:
    return Counts(
        _difference(before.answers, after.answers),
        _difference(before.refusals, after.refusals),
        _difference(before.cuts, after.cuts),
        after.unknown_headers - before.unknown_headers,
        after.connections - before.connections,
        after.downloads - before.downloads,
        _difference(before.begun, after.begun),
        _difference(before.finished, after.finished),
    )


def _difference(before: Mapping[K, int], after: Mapping[K, int]) -> dict[K, int]:
    return {key: number - before.get(key, 0) for key, number in after.items()}


FIRST_DELAY = 0.1  # seconds before a worker that ended is started again
LAST_DELAY = 30.0
GOOD_SECONDS = 60.0  # after this time of service, earlier failures are forgotten
log = structlog.get_logger()


@dataclass(slots=True)
class Slot:
    """A worker's place and its current process."""

    place: Place
    child: Child | None = None
    failures: int = 0
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)


def restart_delay(failures: int) -> float:
    """Return the seconds until the restart after `failures` failures in a row, at least 1."""
    return min(LAST_DELAY, FIRST_DELAY * 2.0 ** min(failures - 1, 16))


class Supervisor:
    """Serves phones through one worker for each of `places`.

    `starter` starts the workers. They get the variables in `environment`, except those for the main
    process.
    """

    def __init__(
        self,
        places: Sequence[Place],
        config: WorkerConfig,
        environment: Mapping[str, str],
        starter: ProcessStarter,
        bounds: Bounds | None = None,
    ) -> None:
        self.tally = Tally()
        self.compat_tally = Tally()
        self.lost = 0  # workers that ended unexpectedly
        self._config = config
        self._slots = [Slot(place) for place in places]
        self._environment = environment
        self._starter = starter
        self._bounds = Bounds() if bounds is None else bounds
        self._snapshot: Snapshot | None = None
        self._lists: tuple[int, Rendered] | None = None
        self._attended: dict[Child, asyncio.Task[None]] = {}
        self._revivals: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    @property
    def pids(self) -> list[int]:
        """The ids of the current workers' processes, in the order of their places."""
        return [slot.child.pid for slot in self._slots if slot.child is not None]

    @property
    def is_serving(self) -> bool:
        """Whether at least one worker answers phones."""
        return any(slot.child is not None and slot.child.is_ready for slot in self._slots)

    @contextlib.asynccontextmanager
    async def running(
        self, load: Callable[[], Awaitable[None]] | None = None
    ) -> AsyncIterator[None]:
        """Serve until the block ends, then drain.

        The block begins when all workers serve; raises ProcessError if one ends before. `load` is
        awaited while the workers start; it may show the first snapshot.
        """
        try:
            children = [await self._begin(slot) for slot in self._slots]
            if load is not None:
                await load()
            if self._snapshot is None:
                await self.show(EMPTY)
            for child in children:
                if not await child.wait_ready():
                    reason = child.reason.removesuffix(".")
                    raise ProcessError(f"a worker could not be started: {reason}.")
            yield
        finally:
            await self._stop()

    async def show(self, snapshot: Snapshot) -> None:
        """Make each worker serve `snapshot` as soon as it has received it."""
        await asyncio.sleep(0)
        self._snapshot = snapshot
        for child in self._attended:
            child.show(snapshot)

    async def show_lists(self, rendered: Rendered) -> None:
        """Make each worker answer the dialects from `rendered` as soon as it has received it."""
        await asyncio.sleep(0)
        self._lists = number, _ = (1 if self._lists is None else self._lists[0] + 1), rendered
        for child in self._attended:
            child.show_lists(number, rendered)

    async def renew(self, certificate: Certificate | None, compat: Certificate | None) -> None:
        """Replace the workers one after the other, each when its successor serves.

        Successors use `certificate`, and `compat` for the dialects; None is the former certificate.
        If a successor cannot serve, the remaining workers stay, and an alarm is raised.
        """
        if certificate is not None:
            self._config = msgspec.structs.replace(self._config, certificate=certificate)
        if compat is not None:
            self._config = msgspec.structs.replace(self._config, compat_certificate=compat)
        draining: list[asyncio.Task[None]] = []
        for slot in self._slots:
            if self._stopping.is_set() or not await self._replace(slot, draining):
                return
        # Former workers drain concurrently, so that a long download delays no replacement.
        if draining:
            await asyncio.wait(draining)
        log.info("every worker was replaced")

    async def _stop(self) -> None:
        self._stopping.set()
        for child in self._attended:
            child.drain(self._config.limits.drain_seconds)
        while remaining := {*self._attended.values(), *self._revivals}:
            await asyncio.wait(remaining)

    async def _begin(self, slot: Slot) -> Child:
        number = slot.place.number

        def say(sentence: str) -> None:
            log.error("alarm", error=sentence, worker=number)

        child = await begin(
            slot.place,
            self._config,
            self._environment,
            self._bounds,
            self._starter,
            self._count,
            say,
        )
        if self._snapshot is not None:
            child.show(self._snapshot)
        if self._lists is not None:
            child.show_lists(*self._lists)
        self._attended[child] = asyncio.create_task(self._attend(slot, child))
        if slot.child is None:
            slot.child = child
        if self._stopping.is_set():
            child.drain(0.0)
        return child

    def _count(self, worker: int, counted: Counted) -> None:
        self.tally.report(worker, counted.counts)
        self.compat_tally.report(worker, counted.compat)

    async def _attend(self, slot: Slot, child: Child) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            reason = await child.attend()
        except Exception as error:  # noqa: BLE001 - the slot must not stay empty
            reason = f"it could not be attended to: an unexpected {type(error).__name__}"
        del self._attended[child]
        self.tally.forget(child.pid)
        self.compat_tally.forget(child.pid)
        number = slot.place.number
        if self._stopping.is_set() or child is not slot.child:
            log.info("a worker ended", worker=number, reason=reason)
            return
        self.lost += 1
        log.error("a worker ended and is started again", worker=number, reason=reason)
        is_good = child.is_ready and loop.time() - started > GOOD_SECONDS
        slot.child, slot.failures = None, 0 if is_good else slot.failures
        revival = asyncio.create_task(self._revive(slot))
        self._revivals.add(revival)
        revival.add_done_callback(self._revivals.discard)

    async def _revive(self, slot: Slot) -> None:
        while self._is_empty(slot):
            slot.failures += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(restart_delay(slot.failures)):
                    await self._stopping.wait()
            async with slot.changing:
                if self._is_empty(slot):
                    await self._try_begin(slot)

    def _is_empty(self, slot: Slot) -> bool:
        return slot.child is None and not self._stopping.is_set()

    async def _try_begin(self, slot: Slot) -> Child | None:
        """Start a worker; if the machine cannot start another process, raise an alarm."""
        try:
            return await self._begin(slot)
        except OSError as error:
            sentence = f"a worker cannot be started: {error.strerror}."
            log.error("alarm", error=sentence, worker=slot.place.number)
            return None

    async def _replace(self, slot: Slot, draining: "list[asyncio.Task[None]]") -> bool:
        """Start a successor and drain the former worker; return False if no successor serves."""
        async with slot.changing:
            former = slot.child
            successor = await self._try_begin(slot)
            if successor is None or not await successor.wait_ready():
                log.error(
                    "alarm",
                    error="the restart stopped here, because the successor did not serve.",
                    worker=slot.place.number,
                )
                return False
            slot.child = successor
        if former in self._attended:
            former.drain(self._bounds.replaced)
            draining.append(self._attended[former])
        return True


class LostCollector(Collector):
    """Exports the number that `lost` returns, 0 without workers."""

    def __init__(self, lost: Callable[[], int]) -> None:
        self._lost = lost

    def collect(self) -> Iterator[Metric]:
        """Yield the one metric family."""
        family = CounterMetricFamily("hening_workers_lost", "Workers that ended unexpectedly")
        family.add_metric([], self._lost())
        yield family
