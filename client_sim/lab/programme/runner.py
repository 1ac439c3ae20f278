"""Running cases: each run made once, judged by its battery and by every guard."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from client_sim.lab.programme.case import Battery
from client_sim.lab.programme.guards import judge_alone
from client_sim.lab.programme.profile import Profile
from client_sim.lab.programme.setting import Setting, observe
from client_sim.lab.programme.tally import Tally
from client_sim.lab.trace.observation import Observation
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
    factory: Factory, batteries: Sequence[Battery], task: Task, profile: Profile
) -> Tallies:
    """Run some cases of one battery and count what was found, by oracle."""
    battery = batteries[task.battery]
    tallies: Tallies = {}
    usual: tuple[Setting, Observation] | None = None
    for number in range(task.first, task.last):
        place = task.battery, number
        case = battery.make(number)
        # Many cases compare with the same first run: it is made once.
        if usual is None or usual[0] is not case.settings[0]:
            usual = case.settings[0], observe(factory, case.settings[0])
        seen = [usual[1], *(observe(factory, setting) for setting in case.settings[1:])]
        tallies.setdefault(battery.oracle, Tally()).add(place, seen, case.judge(seen))
        for nth, (observation, setting) in enumerate(zip(seen, case.settings, strict=True)):
            layers = profile.layers if number < profile.searched and nth == 0 else 0
            for oracle, findings in judge_alone(observation, setting, layers=layers):
                if oracle in case.spared:
                    continue
                tallies.setdefault(oracle, Tally()).add(place, (observation,), findings)
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
        for oracle, tally in run_task(factory, batteries, task, profile).items():
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
