"""The rule for later years in a time zone's footer: a TZ string of POSIX.

Source: RFC 9636 section 3.3.2, whose hours of a change go from -167 to 167.
"""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final

from client_sim.content.local_time import LocalTime
from client_sim.device.errors import ContentError

_NAME: Final = r"([A-Za-z]{3,16}|<[A-Za-z0-9+-]{3,16}>)"
_CLOCK: Final = r"(?::[0-5][0-9](?::[0-5][0-9])?)?"
_OFFSET: Final = rf"([+-]?(?:2[0-4]|1[0-9]|0?[0-9]){_CLOCK})"
_TIME: Final = rf"([+-]?(?:16[0-7]|1[0-5][0-9]|0?[0-9]?[0-9]){_CLOCK})"
_DAY: Final = (
    r"(M(?:1[0-2]|0?[1-9])\.[1-5]\.[0-6]"
    r"|J(?:36[0-5]|3[0-5][0-9]|[12][0-9]{2}|[1-9][0-9]?)"
    r"|(?:36[0-5]|3[0-5][0-9]|[12][0-9]{2}|[1-9]?[0-9]))"
)
_CHANGE: Final = rf",{_DAY}(?:/{_TIME})?"
_RULE: Final = re.compile(rf"{_NAME}{_OFFSET}(?:{_NAME}{_OFFSET}?{_CHANGE}{_CHANGE})?")
_SECONDS: Final = 86_400
_EPOCH: Final = dt.date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class _Change:
    day: str
    seconds: int

    def at(self, year: int) -> int:
        """Return when it happens by the clock of the time before it, seconds of the epoch."""
        first = dt.date(year, 1, 1).toordinal()
        if self.day[0] == "M":
            ordinal = _find_weekday(year, *map(int, self.day[1:].split(".")))
        elif self.day[0] == "J":
            # The 29th of February is never counted, so that J60 is always the 1st of March.
            number = int(self.day[1:])
            is_leap = dt.date(year, 12, 31).toordinal() - first == 365
            ordinal = first + number - 1 + (is_leap and number >= 60)
        else:
            ordinal = first + int(self.day)
        return (ordinal - _EPOCH) * _SECONDS + self.seconds


@dataclass(frozen=True, slots=True)
class Rule:
    """Which local time holds: always one, or another between two changes of each year."""

    usual: LocalTime
    summer: LocalTime | None = None
    start: _Change | None = None
    end: _Change | None = None

    def find(self, seconds: int) -> LocalTime:
        """Return what holds at `seconds` of the epoch; raises ContentError out of years."""
        if self.summer is None or self.start is None or self.end is None:
            return self.usual
        try:
            day = dt.date.fromordinal((seconds + self.usual.offset) // _SECONDS + _EPOCH)
            start = self.start.at(day.year) - self.usual.offset
            end = self.end.at(day.year) - self.summer.offset
        except (OverflowError, ValueError):
            raise ContentError("No calendar goes so far.") from None
        if start < end:
            return self.summer if start <= seconds < end else self.usual
        return self.usual if end <= seconds < start else self.summer


def decode_rule(text: str) -> Rule:
    """Return the rule of a TZ string; raises ContentError where it is none."""
    found = _RULE.fullmatch(text)
    if found is None:
        raise ContentError("A time zone has a rule for later years that is none.")
    name, offset, other, ahead, start, start_time, end, end_time = found.groups()
    usual = LocalTime(-_read_seconds(offset), name.strip("<>"), is_summer=False)
    if other is None:
        return Rule(usual)
    later = usual.offset + 3600 if ahead is None else -_read_seconds(ahead)
    summer = LocalTime(later, other.strip("<>"), is_summer=True)
    changes = (
        _Change(day, _read_seconds(time or "2"))
        for day, time in ((start, start_time), (end, end_time))
    )
    return Rule(usual, summer, *changes)


def _read_seconds(text: str) -> int:
    """Return the seconds of `[+-]H[:MM[:SS]]`."""
    hours, minutes, seconds = [*map(int, text.lstrip("+-").split(":")), 0, 0][:3]
    total = hours * 3600 + minutes * 60 + seconds
    return -total if text[0] == "-" else total


def _find_weekday(year: int, month: int, week: int, weekday: int) -> int:
    """Return the ordinal of the week-th weekday (0: Sunday) of a month; week 5 is the last."""
    first = dt.date(year, month, 1)
    day = 1 + (weekday - first.isoweekday()) % 7 + 7 * (week - 1)
    following = first.replace(day=28) + dt.timedelta(days=4)
    length = (following - dt.timedelta(days=following.day)).day
    return first.toordinal() + (day if day <= length else day - 7) - 1
