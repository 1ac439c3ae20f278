"""A rollout plan: stages that begin one after the other, each inside a window of the calendar.

Pure, except that time zones are read from files. Phones get the expanded plan: the pointer's
schedule of docs/FORMATS.md section 4.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from server.core.errors import FormatError

MAX_WINDOWS = 14  # two a day
SEARCH = timedelta(days=22)  # contains a weekly window twice, even if a clock change skips one
_DAY = timedelta(days=1)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(?:/[A-Za-z0-9_+-]{1,31}){0,2}")

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TimeOfDay = Annotated[str, msgspec.Meta(pattern=r"^(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)\Z")]


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A time span on some days of the week: from `start` until `until`, in local time `HH:MM`.

    `until` may be `24:00`. A window across midnight is written as two.
    """

    days: Annotated[list[Weekday], msgspec.Meta(min_length=1, max_length=7)]
    start: TimeOfDay
    until: TimeOfDay

    def __post_init__(self) -> None:
        if self.start >= self.until:
            raise ValueError("a window begins before it ends; write one across midnight as two")


class Calendar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Windows in one time zone, such as Monday to Thursday, 09:00 to 17:00, in Asia/Jakarta."""

    zone: Annotated[str, msgspec.Meta(max_length=64)]
    windows: Annotated[list[Window], msgspec.Meta(min_length=1, max_length=MAX_WINDOWS)]


def load_zone(name: str) -> tzinfo:
    """Return a time zone by its IANA name. Reads a file at first use; raises FormatError."""
    if _ZONE.fullmatch(name) is not None:
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise FormatError(f"{name[:64]!r} is not a time zone: use a name such as Asia/Jakarta.")


def is_open(calendar: Calendar, zone: tzinfo, moment: int) -> bool:
    """Answer whether the instant `moment`, in epoch seconds, is inside a window."""
    local = datetime.fromtimestamp(moment, zone)
    day, shown = WEEKDAYS[local.weekday()], f"{local:%H:%M}"
    return any(
        day in window.days and window.start <= shown < window.until for window in calendar.windows
    )


def next_open(calendar: Calendar, zone: tzinfo, moment: int) -> int:
    """Return the first instant at or after `moment` that is inside a window, in epoch seconds.

    Raises FormatError if there is none within SEARCH.
    """
    if is_open(calendar, zone, moment):
        return moment
    begin = datetime.fromtimestamp(moment, UTC)
    for number in range(SEARCH.days):
        since = begin + number * _DAY
        found = [
            instant
            for instant in _candidates(calendar, zone, since)
            if moment <= instant and is_open(calendar, zone, instant)
        ]
        if found:
            return min(found)
    raise FormatError(f"no window of the calendar opens within {SEARCH.days} days.")


def _candidates(calendar: Calendar, zone: tzinfo, since: datetime) -> Iterator[int]:
    """Yield the instants at which a window can open in the 24 hours from `since`.

    These are the starts of windows, with both values of `fold`, and a clock change itself.
    """
    until = since + _DAY
    first, last = since.astimezone(zone).date(), until.astimezone(zone).date()
    # 24 hours may touch three local dates if a day has only 23 hours.
    days: list[date] = [first + number * _DAY for number in range((last - first).days + 1)]
    for window in calendar.windows:
        hour, minute = map(int, window.start.split(":"))
        for day in days:
            for fold in (0, 1):
                local = datetime.combine(day, time(hour, minute, fold=fold), zone)
                instant = int(local.timestamp())
                if since.timestamp() <= instant < until.timestamp():
                    yield instant
    change = _change_of_clock(zone, int(since.timestamp()), int(until.timestamp()))
    if change is not None:
        yield change


def _change_of_clock(zone: tzinfo, low: int, high: int) -> int | None:
    """Return the second at which the zone's offset changes between two instants, or None."""

    def offset(moment: int) -> timedelta | None:
        return datetime.fromtimestamp(moment, zone).utcoffset()

    before = offset(low)
    if before == offset(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if offset(middle) == before else (low, middle)
    return high


MAX_STAGES = 15  # a pointer has 16 pairs, and one of them is for the share reached before
MAX_HOLD = 36_600 * 86_400  # a century
MAX_MOMENT = 64_060_588_800  # the year 4000: with all holds added, it is still a valid datetime
LATE_SECONDS = 300  # a plan keeps a start that is at most this long ago; else it begins now

Schedule = tuple[tuple[int, int], ...]
Moment = Annotated[int, msgspec.Meta(ge=0, le=MAX_MOMENT)]


class Stage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A share of the fleet in permille, and the minimum seconds until the next stage begins.

    The hold of the last stage has no effect.
    """

    permille: Annotated[int, msgspec.Meta(ge=0, le=1000)]
    hold: Annotated[int, msgspec.Meta(ge=0, le=MAX_HOLD)] = 0


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The stages of a rollout. Without `start`, the first one begins at the publication."""

    stages: Annotated[list[Stage], msgspec.Meta(min_length=1, max_length=MAX_STAGES)]
    start: Moment | None = None
    calendar: Calendar | None = None

    def __post_init__(self) -> None:
        if any(after.permille < before.permille for before, after in pairwise(self.stages)):
            raise ValueError("a share never falls, because phones cannot be taken out again")
        if any(stage.hold < 1 for stage in self.stages[:-1]):
            raise ValueError("every stage but the last is kept for one second or more")

    @property
    def gaps(self) -> list[int]:
        """The minimum seconds from each stage to the next; 0 first."""
        return [0, *(stage.hold for stage in self.stages[:-1])]


class Course(msgspec.Struct, frozen=True):
    """A pointer's schedule, with the data that pausing and resuming it need.

    `ready` has for each pair the time at which it would begin without a calendar. `rest` has the
    stages that a pause removed: the minimum seconds since the resume or the previous stage, and the
    permille. It is None without a pause.
    """

    schedule: list[tuple[int, int]]
    ready: list[int]
    calendar: Calendar | None = None
    rest: list[tuple[int, int]] | None = None

    def cut(self, now: int) -> list[tuple[int, int]]:
        """Return the stages that begin after `now`, in the form of `rest`."""
        rest: list[tuple[int, int]] = []
        since = now
        for (start, permille), ready in zip(self.schedule, self.ready, strict=True):
            if start > now:
                rest.append((max(ready - since, 0), permille))
                since = start
        return rest


def expand(plan: Plan, now: int) -> Course:
    """Return the course of a plan that is published at `now`.

    A stage begins after the hold of the previous one and, with a calendar, inside a window. A plan
    whose start is more than LATE_SECONDS ago begins now, with the same holds.
    """
    start = now
    if plan.start is not None and plan.start >= now - LATE_SECONDS:
        start = plan.start
    shares = [stage.permille for stage in plan.stages]
    return build_course(list(zip(plan.gaps, shares, strict=True)), start, plan.calendar)


def build_course(
    stages: Sequence[tuple[int, int]], start: int, calendar: Calendar | None
) -> Course:
    """Return the course from `start` of stages `(minimum seconds since the previous, permille)`."""
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
    """Return a course for a schedule that has no recorded one, as if it had no calendar."""
    return Course(list(schedule), [start for start, _ in schedule], None)


def check_plan(plan: Plan, now: int) -> None:
    """Raise FormatError for a start in the past, and for a plan that cannot be expanded.

    Only for new plans: a plan that waited for an approval may start in the past.
    """
    if plan.start is not None and plan.start < now - LATE_SECONDS:
        raise FormatError("the plan starts in the past: omit its start to begin now.")
    expand(plan, now)
