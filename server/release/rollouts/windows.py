"""Calendar windows: when a step of a roll-out may begin, in the local time of an IANA time zone.

An instant is inside a window when the clock on a wall in that zone shows a day and a time of it.
So a window that summer time makes skip an hour is an hour shorter that day, and one whose hour
comes twice is open in both.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from server.core.errors import FormatError

MAX_WINDOWS = 14  # two a day
SEARCH = timedelta(days=22)  # a weekly window that a change of the clock skips comes twice more
_DAY = timedelta(days=1)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(?:/[A-Za-z0-9_+-]{1,31}){0,2}")

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TimeOfDay = Annotated[str, msgspec.Meta(pattern=r"^(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)\Z")]


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days of the week, and the local times `HH:MM` from which and until which it is open.

    `until` may be `24:00`. A window over midnight is written as two.
    """

    days: Annotated[list[Weekday], msgspec.Meta(min_length=1, max_length=7)]
    start: TimeOfDay
    until: TimeOfDay

    def __post_init__(self) -> None:
        if self.start >= self.until:
            raise ValueError("a window begins before it ends; write one over midnight as two")


class Calendar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Windows in one time zone, such as Monday to Thursday, 09:00 to 17:00, in Asia/Jakarta."""

    zone: Annotated[str, msgspec.Meta(max_length=64)]
    windows: Annotated[list[Window], msgspec.Meta(min_length=1, max_length=MAX_WINDOWS)]


def load_zone(name: str) -> tzinfo:
    """Return a time zone by its IANA name. Reads a file the first time; raises FormatError."""
    if _ZONE.fullmatch(name) is not None:
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise FormatError(f"{name[:64]!r} is no time zone: write one such as Asia/Jakarta.")


def is_open(calendar: Calendar, zone: tzinfo, moment: int) -> bool:
    """Answer whether the instant `moment`, in epoch seconds, is inside a window."""
    local = datetime.fromtimestamp(moment, zone)
    day, shown = WEEKDAYS[local.weekday()], f"{local:%H:%M}"
    return any(
        day in window.days and window.start <= shown < window.until for window in calendar.windows
    )


def next_open(calendar: Calendar, zone: tzinfo, moment: int) -> int:
    """Return the first instant at or after `moment` that is inside a window, in epoch seconds.

    Raises FormatError where there is none in three weeks, or beyond the calendar of datetime.
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
    """Yield the instants in the day after `since` at which a window can open.

    Those are the starts of windows, on either side of a change of the clock, and the change itself.
    """
    until = since + _DAY
    first, last = since.astimezone(zone).date(), until.astimezone(zone).date()
    # Twenty-four hours reach into three days where a day has only twenty-three.
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
    """Return the second in which the zone's offset changes between two instants, or None."""

    def offset(moment: int) -> timedelta | None:
        return datetime.fromtimestamp(moment, zone).utcoffset()

    before = offset(low)
    if before == offset(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if offset(middle) == before else (low, middle)
    return high
