"""The programme over several processes, with the same outcome as over one.

Tasks are cut and numbered before anything runs, and their results are put together in that order.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_context
from typing import TypeVar

from client_sim.lab.clients.loading import load_client
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.programme.case import Battery
from client_sim.lab.programme.library import load_library
from client_sim.lab.programme.plan import Plan, batteries_of, profile_of
from client_sim.lab.programme.runner import Tallies, Task, find_killers, run_task

_RESULT = TypeVar("_RESULT")

Pool = Callable[[Callable[..., _RESULT], Sequence[tuple[object, ...]]], Iterator[_RESULT]]
"""Calls a function with each tuple of arguments and gives the results in their order."""


@contextmanager
def open_pool(jobs: int) -> Iterator["Mapper"]:
    """Open a pool of so many processes; 1 stays in this one."""
    if jobs == 1:
        yield Mapper(None)
        return
    # Started afresh: a fork of a process that draws a progress bar would inherit its locks.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as executor:
        yield Mapper(executor)


class Mapper:
    """Calls functions in order, here or elsewhere."""

    def __init__(self, executor: ProcessPoolExecutor | None) -> None:
        self._executor = executor

    def map(
        self, call: Callable[..., _RESULT], arguments: Sequence[tuple[object, ...]]
    ) -> Iterator[_RESULT]:
        """Give the results in the order of the arguments, each as soon as it is there."""
        if self._executor is None:
            return (call(*each) for each in arguments)
        return self._executor.map(call, *zip(*arguments, strict=True)) if arguments else iter(())


def run_planned(plan: Plan, task: Task) -> Tallies:
    """Run one task of a plan, in whichever process."""
    return run_task(load_client(plan.client), _batteries(plan), task, profile_of(plan))


def try_mutant(plan: Plan, library: str, number: int, enough: int | None) -> tuple[str, ...]:
    """Give the oracles that raise an alarm at one mutant of a library."""
    mutant: Mutant = load_library(library)[number]
    return find_killers(mutant.make, _batteries(plan), profile_of(plan), enough=enough)


@cache
def _batteries(plan: Plan) -> tuple[Battery, ...]:
    return batteries_of(plan)
