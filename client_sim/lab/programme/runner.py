"""Running cases: each run made once, judged by its battery and by every guard."""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from client_sim.lab.programme.case import Battery
from client_sim.lab.programme.profile import Profile
from client_sim.lab.programme.run import Run
from client_sim.lab.programme.tally import Tally
from client_sim.world import Factory

Tallies = dict[str, Tally]


@dataclass(frozen=True, slots=True)
class Task:
    """Cases `first` to `last` (excluded) of a battery, by its place."""

    battery: int
    first: int
    last: int


def plan_tasks(batteries: Sequence[Battery], chunk: int) -> tuple[Task, ...]:
    """Cut all cases into tasks of at most `chunk` cases."""
    return tuple(
        Task(place, first, min(first + chunk, battery.size))
        for place, battery in enumerate(batteries)
        for first in range(0, battery.size, chunk)
    )


def run_task(
    factory: Factory,
    batteries: Sequence[Battery],
    task: Task,
    profile: Profile,
    known: AbstractSet[str] = frozenset(),
) -> Tallies:
    """Run some cases of one battery and count what was found, by oracle.

    Guards in `known` are not asked: what they say is known already.
    """
    battery = batteries[task.battery]
    tallies: Tallies = {}
    usual: Run | None = None
    for number in range(task.first, task.last):
        place = task.battery, number
        case = battery.make(number)
        first, *others = case.settings
        # Many cases compare with the same first run: it is made once.
        if usual is None or usual.setting is not first:
            usual = Run(factory, first)
        runs = [usual, *(Run(factory, setting) for setting in others)]
        found = case.judge([run.seen for run in runs])
        tallies.setdefault(battery.oracle, Tally()).add(place, [r.extent for r in runs], found)
        for run in runs:
            layers = profile.layers if number < profile.searched and run is usual else 0
            for oracle, findings in run.ask_guards(layers, case.spared | known):
                tallies.setdefault(oracle, Tally()).add(place, (run.extent,), findings)
    return tallies


def find_killers(
    factory: Factory, batteries: Sequence[Battery], profile: Profile, *, enough: int | None = None
) -> tuple[str, ...]:
    """Give the oracles that raise an alarm at a client, in the order in which they do.

    With `enough`, stops as soon as so many have.
    """
    killers: dict[str, None] = {}
    for task in plan_tasks(batteries, 8):
        if batteries[task.battery].oracle in killers:
            continue
        for oracle, tally in run_task(factory, batteries, task, profile, killers.keys()).items():
            if tally.count:
                killers[oracle] = None
        if enough is not None and len(killers) >= enough:
            break
    return tuple(killers)


def merge(parts: Iterator[Tallies], noticed: Callable[[], None]) -> Tallies:
    """Put the parts together in their order; `noticed` is called for each, to show progress."""
    whole: Tallies = {}
    for part in parts:
        for oracle, tally in part.items():
            whole.setdefault(oracle, Tally()).merge(tally)
        noticed()
    return whole
