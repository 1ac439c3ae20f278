"""The programme over several processes, with the same outcome as over one.

Tasks are cut and numbered before anything runs, and their results are put together in that order.
"""

import gc
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from functools import cache
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from typing import Final, TypeVar

from client_sim.lab.clients.loading import load_client
from client_sim.lab.errors import LabError
from client_sim.lab.programme.batteries.machines import network
from client_sim.lab.programme.case import Battery
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.library import load_library
from client_sim.lab.programme.plan import Plan, batteries_of, make_batteries, profile_of
from client_sim.lab.programme.run import Runs
from client_sim.lab.programme.runner import Tallies, Task, Trial, run_task, try_client
from client_sim.lab.servers.memo import memoised
from client_sim.world import Factory

_RESULT = TypeVar("_RESULT")
_UNTIL_THE_END: Final = ExitStack()
_RARELY: Final = (100_000, 50, 100)
_HANDSHAKES: Final = 2  # cases for a mutant that leaks below HTTP


@contextmanager
def open_pool(jobs: int) -> Iterator["Mapper"]:
    """Open a pool of so many processes; 1 stays in this one."""
    if jobs == 1:
        with memoised():
            yield Mapper(None)
        return
    # Started afresh: a fork of a process that draws a progress bar would inherit its locks.
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
        """Return the results in the order of the arguments, each as soon as it is there.

        Raises LabError where a process died, such as by a client that ends it.
        """
        if self._executor is None:
            return (call(*each) for each in arguments)
        return _results(
            self._executor.map(call, *zip(*arguments, strict=True)) if arguments else ()
        )


def _results(coming: Iterable[_RESULT]) -> Iterator[_RESULT]:
    try:
        yield from coming
    except BrokenProcessPool as error:
        raise LabError(
            "a process in which the client ran has ended, killed or by the client itself: look"
            " for what ends it, or for what takes the memory, and run the programme again"
        ) from error


def run_planned(plan: Plan, task: Task) -> Tallies:
    """Run one task of a plan, in whichever process."""
    factory, batteries = _prepare(plan)
    return run_task(Runs(factory), batteries, task, profile_of(plan))


def try_mutant(plan: Plan, library: str, number: int, enough: int | None) -> Trial:
    """Let the oracles examine one mutant of a library."""
    mutant = load_library(library)[number]
    profile = profile_of(plan)
    if mutant.only:
        profile = profile.only(mutant.only)
    batteries = make_batteries(plan_ground(mutant.make, plan.seed), profile)
    if mutant.dial is not None:
        batteries = (network(plan_ground(mutant.make, plan.seed), _HANDSHAKES, mutant.dial),)
    return try_client(mutant.make, batteries, profile, enough=enough)


def _begin() -> None:
    """Cache checked signatures until the process ends, and collect garbage rarely."""
    # Taken here, as it is another one while a client runs.
    threading.Thread(target=_end_with_parent, args=(os._exit,), daemon=True).start()
    _UNTIL_THE_END.enter_context(collecting_rarely())
    _UNTIL_THE_END.enter_context(memoised())


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Collect garbage rarely, as each collection would scan millions of objects."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*_RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _end_with_parent(end: Callable[[int], object]) -> None:
    """Wait until the parent process is gone, however it ended, and end, too."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        end(1)


@cache
def _prepare(plan: Plan) -> tuple[Factory, tuple[Battery, ...]]:
    factory = load_client(plan.client)
    return factory, batteries_of(plan, factory)
