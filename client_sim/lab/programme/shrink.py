"""Making a failing case small: fewer steps, fewer differences between its owners and machines."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.case import Case
from client_sim.lab.programme.setting import observe
from client_sim.lab.scenarios.driving import Scenario
from client_sim.lab.trace.machine import Machine
from client_sim.persona import Persona
from client_sim.world import Factory

_TRIES: Final = 300  # runs of a case: enough for a life of forty steps

Judge = Callable[[Case], tuple[Finding, ...]]


@dataclass(frozen=True, slots=True)
class Smallest:
    """What is left of a case when nothing more can be taken away.

    `steps` are those of its runs (of the first, where others have theirs derived from it). `fields`
    are those of the owner in which its runs must differ (none where all have one owner), `machine`
    those of the machine. `finding` is what the small case shows.
    """

    steps: tuple[str, ...]
    fields: tuple[str, ...]
    machine: tuple[str, ...]
    finding: Finding


def shrink(factory: Factory, case: Case) -> Smallest | None:
    """Take steps and differences away as long as the judge of the case still finds something.

    None where the case, run again, shows nothing: what is not repeatable cannot be made small.
    """
    tries = iter(range(_TRIES))

    def judge(smaller: Case) -> tuple[Finding, ...]:
        return smaller.judge([observe(factory, setting) for setting in smaller.settings])

    if not judge(case):
        return None
    for make in (_without_steps, _with_fewer_differences, _with_closer_machines):
        case = _repeat(case, make, judge, tries)
    differing = _differing([setting.personal for setting in case.settings])
    machine = _differing(_list_machines(case))
    steps = case.settings[0].scenario.steps
    return Smallest(steps, tuple(sorted(differing)), tuple(sorted(machine)), judge(case)[0])


def _repeat(
    case: Case, make: Callable[[Case], Iterator[Case]], judge: Judge, tries: Iterator[int]
) -> Case:
    """Replace the case by the first smaller one that still fails, until there is none."""
    while True:
        for smaller in make(case):
            if next(tries, None) is None:
                return case
            if judge(smaller):
                case = smaller
                break
        else:
            return case


def _without_steps(case: Case) -> Iterator[Case]:
    """Leave out a half of the steps, a quarter, … a single one, in all runs alike.

    Where the others' steps are derived from the first one's, they are derived again.
    """
    steps = case.settings[0].scenario.steps
    if case.derive is None and any(each.scenario.steps != steps for each in case.settings):
        return  # the runs differ in their steps, and no `derive` says how
    size = len(steps) // 2
    while size:
        for start in range(0, len(steps), size):
            kept = steps[:start] + steps[start + size :]
            if kept:
                yield _with_steps(case, kept)
        size //= 2


def _with_steps(case: Case, steps: tuple[str, ...]) -> Case:
    first, *others = case.settings
    scenario = Scenario(first.scenario.name, steps)
    other = scenario if case.derive is None else case.derive(scenario)
    settings = (replace(first, scenario=scenario), *(replace(o, scenario=other) for o in others))
    return replace(case, settings=settings)


def _with_fewer_differences(case: Case) -> Iterator[Case]:
    """Let all other owners have all of the first one's fields, a half, … a single one."""
    first, *others = case.settings
    for alike in _likenesses([setting.personal for setting in case.settings]):
        closer = (replace(s, personal=replace(s.personal, **alike)) for s in others)
        yield replace(case, settings=(first, *closer))


def _with_closer_machines(case: Case) -> Iterator[Case]:
    """Let all other machines be like the first in all fields, a half, … one field."""
    first, *others = case.settings
    for alike in _likenesses(_list_machines(case)):
        closer = (
            replace(
                each,
                machine=replace(each.machine, **alike),
                altered=tuple(replace(machine, **alike) for machine in each.altered),
            )
            for each in others
        )
        yield replace(case, settings=(first, *closer))


def _list_machines(case: Case) -> list[Machine]:
    return [machine for each in case.settings for machine in (each.machine, *each.altered)]


def _likenesses(those: Sequence[Persona] | Sequence[Machine]) -> Iterator[dict[str, Any]]:
    """Yield values of the first for all fields in which others differ, for a half, … for one."""
    differing = _differing(those)
    size = len(differing)
    while size:
        for start in range(0, len(differing), size):
            yield {name: getattr(those[0], name) for name in differing[start : start + size]}
        size //= 2


def _differing(those: Sequence[Persona] | Sequence[Machine]) -> tuple[str, ...]:
    """Name the fields in which not all owners, or machines, are alike."""
    first, *others = those
    names = (field.name for field in fields(first))
    return tuple(
        name for name in names if any(getattr(o, name) != getattr(first, name) for o in others)
    )
