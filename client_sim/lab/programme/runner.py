"""Running cases: each run made once, judged by its battery and by every guard."""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from client_sim.lab.programme.case import Battery
from client_sim.lab.programme.library import METHODS
from client_sim.lab.programme.plan import Profile
from client_sim.lab.programme.run import Runs, Tally
from client_sim.world import Factory

Tallies = dict[str, Tally]

_FURTHER: Final = 300  # steps of each battery in which a leaky client is asked for another alarm
_FURTHER_TIMES: Final = 4  # or so many times the steps that the first alarm took
_STEPS: Final = 1_000  # of all runs of a task, about: some seconds


@dataclass(frozen=True, slots=True, order=True)
class Task:
    """Cases `first` to `last` (excluded) of a battery, by its place."""

    battery: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Trial:
    """The oracles that raised an alarm at a client, in the order in which they did.

    `asked` are all that examined it, those without an alarm included.
    """

    killed_by: tuple[str, ...]
    asked: frozenset[str]


def plan_tasks(batteries: Sequence[Battery], chunk: int) -> tuple[Task, ...]:
    """Cut all cases into tasks of at most `chunk` cases, of fewer where they have many polls."""
    return tuple(
        Task(place, first, min(first + size, battery.size))
        for place, battery in enumerate(batteries)
        for size in (max(1, min(chunk, _STEPS // _count_steps(battery))),)
        for first in range(0, battery.size, size)
    )


def plan_trial(batteries: Sequence[Battery]) -> tuple[tuple[int, Task], ...]:
    """Cut all cases into tasks of one, in the order in which a leaky client is found soonest.

    Batteries take turns: each has had about as many steps as any other, and long runs come last.
    Each task stands with the number of steps that its battery has had when it is done.
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
    """Run some cases of one battery and count what was found, by oracle.

    Guards in `known` are not asked: what they say is known already.
    """
    battery = batteries[task.battery]
    searched = 0 if battery.oracle in profile.unsearched else profile.searched
    tallies: Tallies = {}
    for number in range(task.first, task.last):
        place = task.battery, number
        case = battery.make(number)
        usual, *others = case.settings
        made = [runs.usual(usual), *(runs.another(setting) for setting in others)]
        found = case.judge([run.seen for run in made])
        new = [run.extent for run in made if run.is_new_to(battery.oracle)]
        tallies.setdefault(battery.oracle, Tally()).add(place, new, found)
        for nth, run in enumerate(made):
            # A client that leaks sends ever new bytes: once is enough to name what it reveals.
            layers = 0 if profile.is_plain_searched and not found else None
            if number < searched and nth == 0:
                layers = profile.layers
            for oracle, findings in run.ask_guards(layers, case.unasked | known):
                if run.is_new_to(oracle):
                    tallies.setdefault(oracle, Tally()).add(place, (run.extent,), findings)
    return tallies


def try_client(
    factory: Factory, batteries: Sequence[Battery], profile: Profile, *, enough: int | None = None
) -> Trial:
    """Let batteries and guards examine a client until each has raised an alarm or is through.

    With `enough`, stops as soon as alarms were raised by so many methods: two oracles that work
    alike count as one. It also stops when each battery has had a multiple of the steps that the
    first alarm took: most clients that one method alone finds are never found by another.
    """
    runs = Runs(factory)
    killers: dict[str, None] = {}
    asked: set[str] = set()
    last: int | None = None
    for steps, task in plan_trial(batteries):
        if last is not None and steps > last:
            break
        if batteries[task.battery].oracle in killers:
            continue
        for oracle, tally in run_task(runs, batteries, task, profile, killers.keys()).items():
            asked.add(oracle)
            if tally.count:
                killers[oracle] = None
        if enough is not None and killers and last is None:
            last = max(_FURTHER, _FURTHER_TIMES * steps)
        if enough is not None and len({METHODS.get(each, each) for each in killers}) >= enough:
            break
    return Trial(tuple(killers), frozenset(asked))


def merge(parts: Iterable[Tallies]) -> Tallies:
    """Put the parts together in their order."""
    whole: Tallies = {}
    for part in parts:
        for oracle, tally in part.items():
            whole.setdefault(oracle, Tally()).merge(tally)
    return whole
