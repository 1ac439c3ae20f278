"""One process of a fleet: its share of the phones, told by the coordinator how far to go.

Down the pipe come ticks: polls that are due before them are begun. Up go sums, one for each, and at
the end of the pipe's life, told by None, what only the end can tell.
"""

import gc
import resource
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from client_sim.fleet.deciding import Decider
from client_sim.fleet.draws import Draws
from client_sim.fleet.driver import Driver
from client_sim.fleet.lines import LineCount
from client_sim.fleet.manners import Manners
from client_sim.fleet.population import NEW, Group, Habits, draw_phones
from client_sim.fleet.tally import Tally
from client_sim.fleet.target import Target
from client_sim.fleet.wheel import TICKS

_LOOK: Final = 0.05  # seconds of the real clock between two looks at the pipe, at most


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker is told: phones `first` to `first + count - 1` of a fleet drawn from `seed`.

    `vaults` are what phones hold that have polled before, by the role that holds their pointers.
    `paced` is how many simulated seconds go by in one of the real clock, 0 for as many as can.
    """

    target: Target
    groups: tuple[Group, ...]
    habits: Habits
    manners: Manners
    vaults: dict[str, dict[str, bytes]]
    seed: int
    first: int
    count: int
    paced: float = 0.0


@dataclass(frozen=True, slots=True)
class Ready:
    """The phones are there: those already on their group's newest build, and octets of memory."""

    newest: int
    by_group: tuple[int, ...]
    memory: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The sums, each distinct request, octets of memory that the phones took, and CPU seconds."""

    tally: Tally
    lines: list[LineCount]
    memory: int
    cpu: float


def work(pipe: Connection, job: Job) -> None:
    """Be a worker until the pipe says None or breaks."""
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
                driver.exchanges.look(_LOOK)
            until = pipe.recv()
            if until is None:
                break
            for due in range(tick, until):
                _wait(driver, begun, due, job.paced)
                driver.advance(due)
            _wait(driver, begun, until, job.paced)
            tick = until
            # Simulated time waits for the server; real time does not.
            while not job.paced and driver.exchanges.under_way:
                driver.exchanges.look(_LOOK)
            pipe.send(driver.snapshot())
        while driver.exchanges.under_way:
            driver.exchanges.look(_LOOK)
        used = time.process_time() - cpu
        lines = list(driver.lines.counts())
        pipe.send(Finished(driver.snapshot(), lines, max(0, _resident() - before), used))
    except (EOFError, BrokenPipeError):
        # The coordinator is gone, so nobody is left to be told anything.
        return


def _wait(driver: Driver, begun: float, tick: int, paced: float) -> None:
    if not paced:
        return
    due = begun + tick / TICKS / paced
    while (rest := due - time.perf_counter()) > 0:
        driver.exchanges.look(rest)


def _prepare(job: Job, before: int) -> tuple[Driver, Ready]:
    draws = Draws(job.seed, f"phones from {job.first}")
    phones = draw_phones(job.count, job.groups, job.habits, draws)
    decider = Decider(job.groups, phones, job.seed, job.first)
    driver = Driver(job.target, job.groups, phones, job.manners, draws, decider)
    states = {holder: driver.school.adopt(vault) for holder, vault in job.vaults.items()}
    newest, by_group = 0, [0] * len(job.groups)
    for phone in range(job.count):
        group = job.groups[phones.group[phone]]
        by_group[phones.group[phone]] += 1
        newest += phones.build[phone] == len(group.builds) - 1
        if not phones.traits[phone] & NEW:
            phones.state[phone] = states[group.holder].index
    driver.place_phones()
    return driver, Ready(newest, tuple(by_group), max(0, _resident() - before))


def _resident() -> int:
    """Return the octets of memory that this process has."""
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * resource.getpagesize()
