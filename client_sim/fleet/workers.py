"""The worker processes of a fleet, and the coordinator's interface to them."""

import gc
import multiprocessing
import resource
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Final, TypeVar

from client_sim.fleet.decisions import Behaviour, Decider
from client_sim.fleet.driver import Driver
from client_sim.fleet.errors import EnvironmentFailedError
from client_sim.fleet.lines import LineCount
from client_sim.fleet.population import NEW, Draws, Group, Habits, draw_phones
from client_sim.fleet.tally import Tally
from client_sim.fleet.target import Target
from client_sim.fleet.timer_wheel import TICKS

_CHECK_SECONDS: Final = 0.05  # maximum seconds of real time between two checks of the pipe


@dataclass(frozen=True, slots=True)
class Job:
    """The input of a worker: phones `first` to `first + count - 1` of a fleet drawn from `seed`.

    `vaults` are the stores of phones that have polled before, by the role that holds their
    pointers. `paced` is the number of simulated seconds in a second of real time, 0 for no limit.
    `wake` is that of the plan.
    """

    target: Target
    groups: tuple[Group, ...]
    habits: Habits
    behaviour: Behaviour
    vaults: dict[str, dict[str, bytes]]
    seed: int
    first: int
    count: int
    paced: float = 0.0
    wake: float = 0.0


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker's report before the first poll.

    `newest` is the number of phones that run their group's newest build, `by_group` the number of
    phones in each group, `memory` the bytes that the phones use.
    """

    newest: int
    by_group: tuple[int, ...]
    memory: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A worker's report at the end: totals, distinct requests, bytes of memory, CPU seconds."""

    tally: Tally
    lines: list[LineCount]
    memory: int
    cpu: float


def work(pipe: Connection, job: Job) -> None:
    """Run a worker until the pipe delivers None or breaks."""
    before = _resident()
    driver, ready = _prepare(job, before)
    gc.freeze()
    gc.disable()
    pipe.send(ready)
    driver.exchanges.watch(pipe.fileno())
    begun, tick = time.perf_counter(), 0
    cpu = time.process_time()
    try:
        while True:
            while not pipe.poll():
                driver.exchanges.process(_CHECK_SECONDS)
            until = pipe.recv()
            if until is None:
                break
            for due in range(tick, until):
                _wait(driver, begun, due, job.paced)
                driver.advance(due)
            _wait(driver, begun, until, job.paced)
            tick = until
            # Simulated time stops until all answers have arrived; real time cannot.
            while not job.paced and driver.exchanges.under_way:
                driver.exchanges.process(_CHECK_SECONDS)
            pipe.send(driver.snapshot())
        while driver.exchanges.under_way:
            driver.exchanges.process(_CHECK_SECONDS)
        used = time.process_time() - cpu
        lines = list(driver.lines.counts())
        pipe.send(Finished(driver.snapshot(), lines, max(0, _resident() - before), used))
    except (EOFError, BrokenPipeError):
        # The coordinator is gone, so no report is needed.
        return


def _wait(driver: Driver, begun: float, tick: int, paced: float) -> None:
    if not paced:
        return
    due = begun + tick / TICKS / paced
    while (rest := due - time.perf_counter()) > 0:
        driver.exchanges.process(rest)


def _prepare(job: Job, before: int) -> tuple[Driver, Ready]:
    draws = Draws(job.seed, f"phones from {job.first}")
    phones = draw_phones(job.count, job.groups, job.habits, draws)
    decider = Decider(job.groups, phones, job.seed, job.first)
    driver = Driver(job.target, job.groups, phones, job.behaviour, draws, decider)
    states = {holder: driver.learner.adopt(vault) for holder, vault in job.vaults.items()}
    newest, by_group = 0, [0] * len(job.groups)
    for phone in range(job.count):
        group = job.groups[phones.group[phone]]
        by_group[phones.group[phone]] += 1
        newest += phones.build[phone] == len(group.builds) - 1
        if not phones.traits[phone] & NEW:
            phones.state[phone] = states[group.holder].index
    driver.schedule.place_phones(job.wake)
    return driver, Ready(newest, tuple(by_group), max(0, _resident() - before))


def _resident() -> int:
    """Return the resident memory of this process in bytes."""
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * resource.getpagesize()


WorkerReport = TypeVar("WorkerReport", Ready, Tally, Finished)


class Workers:
    """The started processes; every method raises EnvironmentFailedError if one has ended."""

    def __init__(self, pipes: Sequence[Connection], processes: Sequence[BaseProcess]) -> None:
        self._pipes = pipes
        self._processes = processes

    def ready(self) -> list[Ready]:
        """Wait until all workers have made their phones."""
        return [self._take(index, Ready) for index in range(len(self._pipes))]

    def advance(self, tick: int) -> Tally:
        """Let all workers begin the polls before `tick`, and return the totals so far."""
        for index in range(len(self._pipes)):
            self._send(index, tick)
        total = Tally()
        for index in range(len(self._pipes)):
            total.merge(self._take(index, Tally))
        return total

    def finish(self) -> list[Finished]:
        """Let all workers complete their polls and end, and return their reports."""
        for index in range(len(self._pipes)):
            self._send(index, None)
        return [self._take(index, Finished) for index in range(len(self._pipes))]

    def _send(self, index: int, tick: int | None) -> None:
        try:
            self._pipes[index].send(tick)
        except OSError:
            raise self._ended(index) from None

    def _take(self, index: int, kind: type[WorkerReport]) -> WorkerReport:
        try:
            report = self._pipes[index].recv()
        except (EOFError, OSError):
            raise self._ended(index) from None
        assert isinstance(report, kind)
        return report

    def _ended(self, index: int) -> EnvironmentFailedError:
        process = self._processes[index]
        process.join(1.0)
        return EnvironmentFailedError(
            f"Worker {index + 1} of the fleet ended with status {process.exitcode}; its messages"
            " are above."
        )


@contextmanager
def started(jobs: Sequence[Job]) -> Iterator[Workers]:
    """Start a process for each job; the processes end with the block."""
    context = multiprocessing.get_context("spawn")
    pipes: list[Connection] = []
    processes: list[BaseProcess] = []
    try:
        for job in jobs:
            near, far = context.Pipe()
            process: BaseProcess = context.Process(target=work, args=(far, job), daemon=True)
            process.start()
            far.close()
            pipes.append(near)
            processes.append(process)
        yield Workers(pipes, processes)
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.join(1.0)
            if process.is_alive():
                process.kill()
                process.join()


_DEFERRED: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def deferred_signals() -> Iterator[None]:
    """Defer SIGTERM and SIGINT until the end of the block.

    A handler that raises between the fork and the assignment of a `Popen` would leave an untracked
    process. The signals are not blocked in the kernel, because child processes would inherit the
    mask. Python runs handlers only on the main thread, so other threads need no deferral.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    before = {number: signal.signal(number, note) for number in _DEFERRED}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None means that the handler was not set from Python and cannot be restored.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for each in received:
            signal.raise_signal(each)
