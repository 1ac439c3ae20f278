"""A roll-out plan: stages that begin one after the other, each in an open window.

Pure but for time zones, which are read once. What phones read is its expansion, the pointer's
schedule of docs/FORMATS.md section 4.
"""

from collections.abc import Sequence
from datetime import tzinfo
from itertools import pairwise
from typing import Annotated

import msgspec

from server.core.errors import FormatError
from server.release.rollouts.windows import Calendar, load_zone, next_open

MAX_STAGES = 15  # a pointer holds 16 pairs, and one of them says what was reached before
MAX_HOLD = 36_600 * 86_400  # a century
MAX_MOMENT = 64_060_588_800  # the year 4000: from there all holds still lead to a datetime
LATE_SECONDS = 300  # how late a plan may be for its stated start and keep it

Schedule = tuple[tuple[int, int], ...]
Moment = Annotated[int, msgspec.Meta(ge=0, le=MAX_MOMENT)]


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A share of the fleet in permille, and for how many seconds it is kept before the next one.

    The hold of the last stage means nothing.
    """

    permille: Annotated[int, msgspec.Meta(ge=0, le=1000)]
    hold: Annotated[int, msgspec.Meta(ge=0, le=MAX_HOLD)] = 0


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When which share is reached. Without `start` the first stage begins when it is published."""

    stages: Annotated[list[Stage], msgspec.Meta(min_length=1, max_length=MAX_STAGES)]
    start: Moment | None = None
    calendar: Calendar | None = None

    def __post_init__(self) -> None:
        if any(after.permille < before.permille for before, after in pairwise(self.stages)):
            raise ValueError("a share never falls, because nobody can be taken out again")
        if any(stage.hold < 1 for stage in self.stages[:-1]):
            raise ValueError("every stage but the last is kept for one second or more")

    @property
    def gaps(self) -> list[int]:
        """The least seconds before each stage begins, counted from the one before; 0 first."""
        return [0, *(stage.hold for stage in self.stages[:-1])]


class Course(msgspec.Struct, frozen=True):
    """A pointer's schedule with what a pause must know of it.

    `ready` says of each pair when it would have begun without a calendar. `rest` are the stages
    that a pause took out: the least seconds before each, from the resume or the stage before, and
    its permille; None where no pause is in force.
    """

    schedule: list[tuple[int, int]]
    ready: list[int]
    calendar: Calendar | None = None
    rest: list[tuple[int, int]] | None = None

    def cut(self, now: int) -> list[tuple[int, int]]:
        """Return the stages that are still to come at `now`, as `rest` holds them."""
        rest: list[tuple[int, int]] = []
        since = now
        for (start, permille), ready in zip(self.schedule, self.ready, strict=True):
            if start > now:
                rest.append((max(ready - since, 0), permille))
                since = start
        return rest


def expand(plan: Plan, now: int) -> Course:
    """Return the course of a plan that is published at `now`.

    A stage begins when the one before was kept for its hold, and, with a calendar, not before a
    window is open. A plan whose start has passed for more than LATE_SECONDS begins now and keeps
    its holds: it is late as a whole, and nothing is made up for.
    """
    start = now
    if plan.start is not None and plan.start >= now - LATE_SECONDS:
        start = plan.start
    shares = [stage.permille for stage in plan.stages]
    return lay_out(list(zip(plan.gaps, shares, strict=True)), start, plan.calendar)


def lay_out(stages: Sequence[tuple[int, int]], start: int, calendar: Calendar | None) -> Course:
    """Return the course of stages `(least seconds after the one before, permille)` from `start`."""
    zone: tzinfo | None = None if calendar is None else load_zone(calendar.zone)
    schedule: list[tuple[int, int]] = []
    ready: list[int] = []
    moment = start
    for gap, permille in stages:
        moment += gap
        ready.append(moment)
        if calendar is not None and zone is not None:
            moment = next_open(calendar, zone, moment)
        schedule.append((moment, permille))
    return Course(schedule, ready, calendar)


def course_of(schedule: Sequence[tuple[int, int]]) -> Course:
    """Return the course of a schedule of which nothing else is known: its times are its plan."""
    return Course(list(schedule), [start for start, _ in schedule], None)


def check_plan(plan: Plan, now: int) -> None:
    """Raise FormatError for a zone that is unknown, or a start in the past.

    A stated start that has passed is a mistake when it is asked for; it is no mistake any more when
    the plan had to wait for somebody's approval.
    """
    if plan.start is not None and plan.start < now - LATE_SECONDS:
        raise FormatError("the plan starts in the past: leave its start away to begin now.")
    expand(plan, now)
