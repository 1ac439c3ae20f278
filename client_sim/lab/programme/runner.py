"""Execution of cases: each run is made once and judged by its battery and by every guard.

The result does not depend on the number of processes: tasks are planned and numbered before
anything runs, and their results are merged in that order.
"""

import gc
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Final, TypeVar

from client_sim.lab.clients.loading import load_client
from client_sim.lab.errors import LabError
from client_sim.lab.programme.batteries.machines import network
from client_sim.lab.programme.case import Battery
from client_sim.lab.programme.library import METHODS, load_library
from client_sim.lab.programme.plan import Plan, Profile, make_batteries, profile_of
from client_sim.lab.programme.run import Runs, Tally
from client_sim.lab.programme.testbed import plan_testbed
from client_sim.lab.servers.caches import memoised
from client_sim.world import Factory

Tallies = dict[str, Tally]

# After the first alarm a leaky client is examined for at least this many steps of each battery,
_FURTHER: Final = 300
# or for this many times the steps until the first alarm.
_FURTHER_TIMES: Final = 4
_STEPS: Final = 1_000  # approximate steps in all runs of a task, which take some seconds
_RESULT = TypeVar("_RESULT")
_PROCESS_CONTEXTS: Final = ExitStack()
_RARE_COLLECTIONS: Final = (100_000, 50, 100)
_HANDSHAKES: Final = 2  # cases for a mutant that leaks below HTTP


@dataclass(frozen=True, slots=True, order=True)
class Task:
    """Cases `first` to `last` (exclusive) of a battery, given by its index."""

    battery: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Trial:
    """The oracles that found a client, in the order of their alarms.

    `examined_by` are all oracles that examined it, with or without an alarm.
    """

    killed_by: tuple[str, ...]
    examined_by: frozenset[str]


def plan_tasks(batteries: Sequence[Battery], chunk: int) -> tuple[Task, ...]:
    """Divide all cases into tasks of at most `chunk` cases, or fewer if the cases are long."""
    return tuple(
        Task(place, first, min(first + size, battery.size))
        for place, battery in enumerate(batteries)
        for size in (max(1, min(chunk, _STEPS // _count_steps(battery))),)
        for first in range(0, battery.size, size)
    )


def plan_trial(batteries: Sequence[Battery]) -> tuple[tuple[int, Task], ...]:
    """Divide all cases into tasks of one, in the order that finds a leaky client soonest.

    Batteries take turns so that all have run about the same number of steps; long runs come last.
    Each task is returned with the number of steps that its battery has run after it.
    """
    steps = [_count_steps(battery) for battery in batteries]
    tasks = plan_tasks(batteries, 1)
    return tuple(sorted((task.last * steps[task.battery], task) for task in tasks))


def _count_steps(battery: Battery) -> int:
    return sum(len(setting.scenario.steps) for setting in battery.make(0).settings)


def run_task(
    runs: Runs,
    batteries: Sequence[Battery],
    task: Task,
    profile: Profile,
    known: AbstractSet[str] = frozenset(),
) -> Tallies:
    """Run some cases of one battery and count the findings by oracle.

    Guards in `known` are not applied, because they have already found something.
    """
    battery = batteries[task.battery]
    searched = 0 if battery.oracle in profile.unsearched else profile.searched
    tallies: Tallies = {}
    for number in range(task.first, task.last):
        place = task.battery, number
        case = battery.make(number)
        first, *others = case.settings
        made = [runs.make_cached(first), *(runs.make(setting) for setting in others)]
        found = case.judge([run.observation for run in made])
        new = [run.extent for run in made if run.is_new_to(battery.oracle)]
        tallies.setdefault(battery.oracle, Tally()).add(place, new, found)
        for nth, run in enumerate(made):
            # A leaking client may send new bytes in each run, which makes searches slow. One
            # search is enough to name what it reveals.
            layers = 0 if profile.is_plain_searched and not found else None
            if number < searched and nth == 0:
                layers = profile.layers
            for oracle, findings in run.apply_guards(layers, case.all_skipped_guards | known):
                if run.is_new_to(oracle):
                    tallies.setdefault(oracle, Tally()).add(place, (run.extent,), findings)
    return tallies


def try_client(
    factory: Factory, batteries: Sequence[Battery], profile: Profile, *, enough: int | None = None
) -> Trial:
    """Let batteries and guards examine a client until each has raised an alarm or is exhausted.

    With `enough`, stop after alarms by that many independent methods (`METHODS`). Also stop when
    each battery has run a multiple of the steps that the first alarm took: most clients that only
    one method has found by then are never found by another.
    """
    runs = Runs(factory)
    killers: dict[str, None] = {}
    examined_by: set[str] = set()
    last: int | None = None
    for steps, task in plan_trial(batteries):
        if last is not None and steps > last:
            break
        if batteries[task.battery].oracle in killers:
            continue
        for oracle, tally in run_task(runs, batteries, task, profile, killers.keys()).items():
            examined_by.add(oracle)
            if tally.count:
                killers[oracle] = None
        if enough is not None and killers and last is None:
            last = max(_FURTHER, _FURTHER_TIMES * steps)
        if enough is not None and len({METHODS.get(each, each) for each in killers}) >= enough:
            break
    return Trial(tuple(killers), frozenset(examined_by))


def merge(parts: Iterable[Tallies]) -> Tallies:
    """Merge the parts in their order."""
    whole: Tallies = {}
    for part in parts:
        for oracle, tally in part.items():
            whole.setdefault(oracle, Tally()).merge(tally)
    return whole


@contextmanager
def open_pool(jobs: int) -> Iterator["Mapper"]:
    """Open a pool of `jobs` processes; with 1, run everything in this process."""
    if jobs == 1:
        with memoised():
            yield Mapper(None)
        return
    # Not forked: a fork of a process that draws a progress bar would inherit its locks.
    context = get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin) as executor:
        yield Mapper(executor)


class Mapper:
    """Calls functions in order, in this process or in others."""

    def __init__(self, executor: ProcessPoolExecutor | None) -> None:
        self._executor = executor

    def map(
        self, call: Callable[..., _RESULT], arguments: Sequence[tuple[object, ...]]
    ) -> Iterator[_RESULT]:
        """Return an iterator of the results in the order of the arguments.

        It raises LabError if a process died, for example because the client ended it.
        """
        if self._executor is None:
            return (call(*each) for each in arguments)
        return _results(
            self._executor.map(call, *zip(*arguments, strict=True)) if arguments else ()
        )


def _results(results: Iterable[_RESULT]) -> Iterator[_RESULT]:
    try:
        yield from results
    except BrokenProcessPool as error:
        raise LabError(
            "a process that ran the client has ended: the client ended it, or it was killed, for"
            " example for want of memory; find the cause, and run the programme again"
        ) from error


def run_planned(plan: Plan, task: Task) -> Tallies:
    """Run one task of a plan in this process."""
    factory, batteries = _prepare(plan)
    return run_task(Runs(factory), batteries, task, profile_of(plan))


def try_mutant(plan: Plan, library: str, number: int, enough: int | None) -> Trial:
    """Let the oracles examine one mutant of a library."""
    mutant = load_library(library)[number]
    profile = profile_of(plan).only(mutant.only) if mutant.only else profile_of(plan)
    testbed = plan_testbed(mutant.make, plan.seed)
    batteries = make_batteries(testbed, profile)
    if mutant.dial is not None:
        batteries = (network(testbed, _HANDSHAKES, mutant.dial),)
    return try_client(mutant.make, batteries, profile, enough=enough)


def _begin() -> None:
    """Cache checked signatures until the process ends, and collect garbage rarely."""
    # `os._exit` is bound now, because it is replaced while a client runs.
    threading.Thread(target=_end_with_parent, args=(os._exit,), daemon=True).start()
    _PROCESS_CONTEXTS.enter_context(collecting_rarely())
    _PROCESS_CONTEXTS.enter_context(memoised())


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Collect garbage rarely, because each collection would scan millions of objects."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*_RARE_COLLECTIONS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _end_with_parent(end: Callable[[int], object]) -> None:
    """Wait until the parent process has ended, for whatever reason, and end this one."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        end(1)


@cache
def _prepare(plan: Plan) -> tuple[Factory, tuple[Battery, ...]]:
    factory = load_client(plan.client)
    return factory, make_batteries(plan_testbed(factory, plan.seed), profile_of(plan))
