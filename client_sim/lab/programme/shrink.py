"""Reduction of a failing case: fewer steps, fewer differences between its owners and machines."""

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

_TRIES: Final = 300  # attempts per case; enough for a scenario of forty steps

Judge = Callable[[Case], tuple[Finding, ...]]


@dataclass(frozen=True, slots=True)
class Smallest:
    """The smallest failing case that was found.

    `steps` are the steps of its runs, or of its first run if the others' are derived from it.
    `fields` are the fields of the owner in which its runs must differ (none if all have the same
    owner), and `machine` those of the machine.
    """

    steps: tuple[str, ...]
    fields: tuple[str, ...]
    machine: tuple[str, ...]


def shrink(factory: Factory, case: Case) -> Smallest | None:
    """Remove steps and differences as long as the judge of the case still finds something.

    Return None if the case does not fail when it is repeated, because it then cannot be reduced.
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
    return Smallest(steps, tuple(sorted(differing)), tuple(sorted(machine)))


def _repeat(
    case: Case, make: Callable[[Case], Iterator[Case]], judge: Judge, tries: Iterator[int]
) -> Case:
    """Replace the case by the first smaller one that fails, until no smaller one does."""
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
    """Yield cases without a half of the steps, without a quarter, … without a single one.

    The same steps are removed from all runs, or the other runs' steps are derived again.
    """
    steps = case.settings[0].scenario.steps
    if case.derive is None and any(each.scenario.steps != steps for each in case.settings):
        return  # the runs differ in their steps, and there is no `derive`
    size = len(steps) // 2
    while size:
        for start in range(0, len(steps), size):
            remaining = steps[:start] + steps[start + size :]
            if remaining:
                yield _with_steps(case, remaining)
        size //= 2


def _with_steps(case: Case, steps: tuple[str, ...]) -> Case:
    first, *others = case.settings
    scenario = Scenario(first.scenario.name, steps)
    other = scenario if case.derive is None else case.derive(scenario)
    settings = (replace(first, scenario=scenario), *(replace(o, scenario=other) for o in others))
    return replace(case, settings=settings)


def _with_fewer_differences(case: Case) -> Iterator[Case]:
    """Yield cases in which the other owners get all, a half, … one of the first owner's fields."""
    first, *others = case.settings
    for alike in _likenesses([setting.personal for setting in case.settings]):
        closer = (replace(s, personal=replace(s.personal, **alike)) for s in others)
        yield replace(case, settings=(first, *closer))


def _with_closer_machines(case: Case) -> Iterator[Case]:
    """Yield cases in which the other machines get all, a half, … one of the first one's fields."""
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


def _likenesses(values: Sequence[Persona] | Sequence[Machine]) -> Iterator[dict[str, Any]]:
    """Yield the first one's values of all fields in which others differ, of a half, … of one."""
    differing = _differing(values)
    size = len(differing)
    while size:
        for start in range(0, len(differing), size):
            yield {name: getattr(values[0], name) for name in differing[start : start + size]}
        size //= 2


def _differing(values: Sequence[Persona] | Sequence[Machine]) -> tuple[str, ...]:
    """Return the names of the fields in which the owners, or machines, differ."""
    first, *others = values
    names = (field.name for field in fields(first))
    return tuple(
        name for name in names if any(getattr(o, name) != getattr(first, name) for o in others)
    )
