"""Time zones: checks and look-up of entries, and a decoder of TZif files (RFC 9636)."""

import datetime as dt
import itertools
import re
import struct
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from client_sim.content.kinds import decode_base64, read_match, read_object
from client_sim.device.errors import ContentError


@dataclass(frozen=True, slots=True)
class LocalTime:
    """A kind of local time: seconds east of UTC, abbreviation, and the database's summer flag."""

    offset: int
    name: str
    is_summer: bool


_RULE_NAME: Final = r"([A-Za-z]{3,16}|<[A-Za-z0-9+-]{3,16}>)"
_CLOCK: Final = r"(?::[0-5][0-9](?::[0-5][0-9])?)?"
_OFFSET: Final = rf"([+-]?(?:2[0-4]|1[0-9]|0?[0-9]){_CLOCK})"
_RULE_TIME: Final = rf"([+-]?(?:16[0-7]|1[0-5][0-9]|0?[0-9]?[0-9]){_CLOCK})"
_DAY: Final = (
    r"(M(?:1[0-2]|0?[1-9])\.[1-5]\.[0-6]"
    r"|J(?:36[0-5]|3[0-5][0-9]|[12][0-9]{2}|[1-9][0-9]?)"
    r"|(?:36[0-5]|3[0-5][0-9]|[12][0-9]{2}|[1-9]?[0-9]))"
)
_CHANGE: Final = rf",{_DAY}(?:/{_RULE_TIME})?"
_RULE: Final = re.compile(rf"{_RULE_NAME}{_OFFSET}(?:{_RULE_NAME}{_OFFSET}?{_CHANGE}{_CHANGE})?")
_SECONDS: Final = 86_400
_EPOCH: Final = dt.date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class _Change:
    day: str
    seconds: int

    def at(self, year: int) -> int:
        """Return the time of the change, as epoch seconds of the local clock before the change."""
        first = dt.date(year, 1, 1).toordinal()
        if self.day[0] == "M":
            ordinal = _find_weekday(year, *map(int, self.day[1:].split(".")))
        elif self.day[0] == "J":
            # `Jn` never counts 29 February, so that J60 is always 1 March.
            number = int(self.day[1:])
            is_leap = dt.date(year, 12, 31).toordinal() - first == 365
            ordinal = first + number - 1 + (is_leap and number >= 60)
        else:
            ordinal = first + int(self.day)
        return (ordinal - _EPOCH) * _SECONDS + self.seconds


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule for local time: constant, or with a second local time between two yearly changes."""

    standard: LocalTime
    summer: LocalTime | None = None
    start: _Change | None = None
    end: _Change | None = None

    def find(self, seconds: int) -> LocalTime:
        """Return the local time at epoch `seconds`; raises ContentError for years out of range."""
        if self.summer is None or self.start is None or self.end is None:
            return self.standard
        try:
            day = dt.date.fromordinal((seconds + self.standard.offset) // _SECONDS + _EPOCH)
            start = self.start.at(day.year) - self.standard.offset
            end = self.end.at(day.year) - self.summer.offset
        except (OverflowError, ValueError):
            raise ContentError("The time is outside the years that the calendar has.") from None
        if start < end:
            return self.summer if start <= seconds < end else self.standard
        return self.standard if end <= seconds < start else self.summer


def decode_rule(text: str) -> Rule:
    """Return the rule of a TZ string; raises ContentError if it is malformed."""
    found = _RULE.fullmatch(text)
    if found is None:
        raise ContentError("A time zone has an invalid rule for later years.")
    name, offset, summer_name, summer_offset, start, start_time, end, end_time = found.groups()
    standard = LocalTime(-_read_seconds(offset), name.strip("<>"), is_summer=False)
    if summer_name is None:
        return Rule(standard)
    later = standard.offset + 3600 if summer_offset is None else -_read_seconds(summer_offset)
    summer = LocalTime(later, summer_name.strip("<>"), is_summer=True)
    changes = (
        _Change(day, _read_seconds(time or "2"))
        for day, time in ((start, start_time), (end, end_time))
    )
    return Rule(standard, summer, *changes)


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


_HEADER: Final = struct.Struct(">4s1s15s6I")
_UNUSED: Final = bytes(15)
_TYPE: Final = struct.Struct(">i2B")
_TIME: Final = 8
_LEAP_CORRECTION: Final = 4
_FIRST_OFFSET: Final = -89_999
_LAST_OFFSET: Final = 93_599
_NAME: Final = re.compile(rb"[A-Za-z0-9+-]{3,16}\x00")
_NAMES: Final = re.compile(rb"(?:[A-Za-z0-9+-]{3,16}\x00)+")
_FOOTER: Final = re.compile(rb"\n([ -~]{0,128})\n")


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone: from each of `times` (ascending epoch seconds) the kind at its index applies.

    Before the first of them `first` applies. From the last of them `rule` applies, if there is one.
    """

    times: tuple[int, ...]
    kinds: tuple[LocalTime, ...]
    first: LocalTime
    rule: Rule | None

    def find(self, seconds: int) -> LocalTime:
        """Return the local time at epoch `seconds`; raises ContentError for years out of range."""
        place = bisect_right(self.times, seconds)
        if self.rule is not None and place == len(self.times):
            return self.rule.find(seconds)
        return self.kinds[place - 1] if place else self.first

    def is_summer(self, seconds: int) -> bool:
        """Tell whether it is summer time; raises ContentError for years out of range.

        The database's flag alone is not enough: in zones such as Dublin it marks winter time.
        """
        local = self.find(seconds)
        place = bisect_right(self.times, seconds)
        if self.rule is not None and place == len(self.times):
            standard = self.rule.standard
        else:
            earlier = (self.first, *self.kinds[:place])
            standard = next((one for one in reversed(earlier) if not one.is_summer), local)
        return local.is_summer and local.offset >= standard.offset


@dataclass(frozen=True, slots=True)
class _Counts:
    isut: int
    isstd: int
    leap: int
    time: int
    type: int
    char: int

    def size(self) -> int:
        """Return the size of a data block in version 2 and later, in bytes."""
        return (
            self.time * (_TIME + 1)
            + self.type * _TYPE.size
            + self.char
            + self.leap * (_TIME + _LEAP_CORRECTION)
            + self.isstd
            + self.isut
        )


_NOTHING: Final = _Counts(isut=0, isstd=0, leap=0, time=0, type=1, char=1)


@lru_cache(maxsize=512)  # many names of the database share a zone
def decode_tzif(data: bytes) -> Zone:
    """Decode a TZif file of version 2, 3 or 4; raises ContentError."""
    first, version = _read_header(data, 0)
    data_at = _HEADER.size
    second_at = data_at + _TYPE.size + 1
    # The block for readers of version 1 must be minimal: one local time, UTC, without abbreviation.
    if first != _NOTHING or any(data[data_at:second_at]):
        raise ContentError("A time zone has data for readers of version 1.")
    second, again = _read_header(data, second_at)
    if version != again:
        raise ContentError("A time zone states two versions of its format.")
    data_at = second_at + _HEADER.size
    footer_at = data_at + second.size()
    footer = _FOOTER.fullmatch(data[footer_at:])
    if footer is None:
        raise ContentError("A time zone has a malformed footer.")
    rule = decode_rule(footer[1].decode()) if footer[1] else None
    return _read_data(data[data_at:footer_at], second, rule)


def _read_header(data: bytes, at: int) -> tuple[_Counts, bytes]:
    if len(data) - at < _HEADER.size:
        raise ContentError("A time zone is cut short.")
    magic, version, unused, *counts = _HEADER.unpack_from(data, at)
    if unused != _UNUSED:
        raise ContentError("A time zone has a header with reserved bytes that are not zero.")
    if magic != b"TZif" or version not in b"234":
        raise ContentError("A time zone is not TZif of version 2, 3 or 4.")
    found = _Counts(*counts)
    if found.isut not in {0, found.type} or found.isstd not in {0, found.type}:
        raise ContentError("A time zone has the wrong number of indicators.")
    if not 1 <= found.type <= 256 or not found.char or found.size() > len(data):
        raise ContentError("A time zone has no local time, or is cut short.")
    return found, version


def _read_data(data: bytes, counts: _Counts, rule: Rule | None) -> Zone:
    if len(data) != counts.size():
        raise ContentError("A time zone is cut short.")
    if counts.leap:
        raise ContentError("A time zone has leap seconds, which phones do not support.")
    times = struct.unpack_from(f">{counts.time}q", data)
    at = counts.time * 8
    numbers = data[at : at + counts.time]
    at += counts.time
    names_at = at + counts.type * _TYPE.size
    names = data[names_at : names_at + counts.char]
    are_sorted = all(before < after for before, after in itertools.pairwise(times))
    if not are_sorted or any(number >= counts.type for number in numbers):
        raise ContentError("A time zone has changes out of order, or to an unknown local time.")
    rows = list(_TYPE.iter_unpack(data[at:names_at]))
    kinds = [_read_kind(names, *row) for row in rows]
    used = {names.index(b"\0", place) for _, _, place in rows}
    ends = [found.end() - 1 for found in _NAME.finditer(names)]
    if _NAMES.fullmatch(names) is None or used != set(ends):
        raise ContentError("A time zone has an abbreviation that is invalid or unused.")
    if any(indicator > 1 for indicator in data[names_at + counts.char :]):
        raise ContentError("A time zone has an indicator that is neither 0 nor 1.")
    return Zone(times, tuple(kinds[number] for number in numbers), kinds[0], rule)


def _read_kind(names: bytes, offset: int, summer: int, place: int) -> LocalTime:
    if not _FIRST_OFFSET <= offset <= _LAST_OFFSET or summer > 1 or place >= len(names):
        raise ContentError("A time zone has an invalid local time.")
    name, end, _ = names[place:].partition(b"\0")
    if names[-1:] != b"\0" or not end or not _NAME.fullmatch(name + end):
        raise ContentError("A time zone has an invalid abbreviation.")
    return LocalTime(offset, name.decode(), bool(summer))


_TZIF_LIMIT: Final = 65_536
# A segment is not empty, not `.` or `..`, and does not end in a dot, as in the database.
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._+-]*[A-Za-z0-9_+-]")


def check_zones(entries: Mapping[str, Any]) -> None:
    """Check the entries of a pack; raises ContentError."""
    for key, entry in entries.items():
        for segment in key.split("/"):
            read_match("The name of a time zone", segment, _SEGMENT)
        if isinstance(entry, dict) and "link" in entry:
            link = read_object("A time zone", entry, ("link",))["link"]
            target = entries.get(link) if isinstance(link, str) else None
            if not isinstance(target, dict) or "tzif" not in target:
                raise ContentError("A time zone is a link to a zone that is not there.")
        else:
            tzif = read_object("A time zone", entry, ("tzif",))["tzif"]
            decode_tzif(decode_base64("A time zone", tzif, _TZIF_LIMIT))


def load_zone(entries: Mapping[str, Any], name: str) -> Zone:
    """Return a zone of the pack by its name or link; raises ContentError if there is none."""
    entry = entries.get(name)
    if entry is None:
        raise ContentError(f"The pack has no time zone {name!a}.")
    if "link" in entry:
        entry = entries[entry["link"]]
    return decode_tzif(decode_base64("A time zone", entry["tzif"], _TZIF_LIMIT))
