"""Reads a TZif file (RFC 9636, versions 2 to 4) with nothing but what this module checks.

The standard library's reader is not given octets of strangers: it is written in C and trusts them.
"""

import itertools
import re
import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from client_sim.content.local_time import LocalTime
from client_sim.content.tz_rule import Rule, decode_rule
from client_sim.device.errors import ContentError

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
    """A time zone: from each of `times` on, ascending seconds of the epoch, one of `kinds` holds.

    Before the first of them `first` does, and from the last on the `rule` if there is one.
    """

    times: tuple[int, ...]
    kinds: tuple[LocalTime, ...]
    first: LocalTime
    rule: Rule | None

    def find(self, seconds: int) -> LocalTime:
        """Return what holds at `seconds` of the epoch; raises ContentError out of years."""
        place = bisect_right(self.times, seconds)
        if self.rule is not None and place == len(self.times):
            return self.rule.find(seconds)
        return self.kinds[place - 1] if place else self.first

    def is_summer(self, seconds: int) -> bool:
        """Tell whether it is summer time; raises ContentError out of years.

        What the database marks as such is not where the clock is put back in winter, as in Dublin.
        """
        local = self.find(seconds)
        place = bisect_right(self.times, seconds)
        if self.rule is not None and place == len(self.times):
            usual = self.rule.usual
        else:
            earlier = (self.first, *self.kinds[:place])
            usual = next((one for one in reversed(earlier) if not one.is_summer), local)
        return local.is_summer and local.offset >= usual.offset


@dataclass(frozen=True, slots=True)
class _Counts:
    isut: int
    isstd: int
    leap: int
    time: int
    type: int
    char: int

    def size(self) -> int:
        """Return the octets of a data block from version 2 on."""
        return (
            self.time * (_TIME + 1)
            + self.type * _TYPE.size
            + self.char
            + self.leap * (_TIME + _LEAP_CORRECTION)
            + self.isstd
            + self.isut
        )


_NOTHING: Final = _Counts(isut=0, isstd=0, leap=0, time=0, type=1, char=1)


def decode_tzif(octets: bytes) -> Zone:
    """Return the time zone of a TZif file; raises ContentError for any that is malformed."""
    first, version = _read_header(octets, 0)
    data_at = _HEADER.size
    second_at = data_at + _TYPE.size + 1
    # A reader of version 1 would find it: it has no name, and holds nothing but UTC.
    if first != _NOTHING or any(octets[data_at:second_at]):
        raise ContentError("A time zone has more than nothing for readers of version 1.")
    second, again = _read_header(octets, second_at)
    if version != again:
        raise ContentError("A time zone states two versions of its format.")
    data_at = second_at + _HEADER.size
    footer_at = data_at + second.size()
    footer = _FOOTER.fullmatch(octets[footer_at:])
    if footer is None:
        raise ContentError("A time zone does not end as it should.")
    rule = decode_rule(footer[1].decode()) if footer[1] else None
    return _read_data(octets[data_at:footer_at], second, rule)


def _read_header(octets: bytes, at: int) -> tuple[_Counts, bytes]:
    if len(octets) - at < _HEADER.size:
        raise ContentError("A time zone is cut short.")
    magic, version, unused, *counts = _HEADER.unpack_from(octets, at)
    if unused != _UNUSED:
        raise ContentError("A time zone has something where its header has nothing.")
    if magic != b"TZif" or version not in b"234":
        raise ContentError("A time zone is not TZif of version 2, 3 or 4.")
    found = _Counts(*counts)
    if found.isut not in {0, found.type} or found.isstd not in {0, found.type}:
        raise ContentError("A time zone counts its indicators wrongly.")
    if not 1 <= found.type <= 256 or not found.char or found.size() > len(octets):
        raise ContentError("A time zone has no local time, or more than it has octets for.")
    return found, version


def _read_data(data: bytes, counts: _Counts, rule: Rule | None) -> Zone:
    if len(data) != counts.size():
        raise ContentError("A time zone is cut short.")
    if counts.leap:
        raise ContentError("A time zone counts leap seconds, which phones do not.")
    times = struct.unpack_from(f">{counts.time}q", data)
    at = counts.time * 8
    numbers = data[at : at + counts.time]
    at += counts.time
    names_at = at + counts.type * _TYPE.size
    names = data[names_at : names_at + counts.char]
    if not _ascend(times) or any(number >= counts.type for number in numbers):
        raise ContentError("A time zone has changes out of order, or to a time that is not there.")
    rows = list(_TYPE.iter_unpack(data[at:names_at]))
    kinds = [_read_kind(names, *row) for row in rows]
    used = {names.index(b"\0", place) for _, _, place in rows}
    ends = [found.end() - 1 for found in _NAME.finditer(names)]
    if _NAMES.fullmatch(names) is None or used != set(ends):
        raise ContentError("A time zone has a name that none of its times has.")
    if any(indicator > 1 for indicator in data[names_at + counts.char :]):
        raise ContentError("A time zone has an indicator that is neither 0 nor 1.")
    return Zone(times, tuple(kinds[number] for number in numbers), kinds[0], rule)


def _read_kind(names: bytes, offset: int, summer: int, place: int) -> LocalTime:
    if not _FIRST_OFFSET <= offset <= _LAST_OFFSET or summer > 1 or place >= len(names):
        raise ContentError("A time zone has a local time that cannot be.")
    name, end, _ = names[place:].partition(b"\0")
    if names[-1:] != b"\0" or not end or not _NAME.fullmatch(name + end):
        raise ContentError("A time zone has a name of a time that is no name.")
    return LocalTime(offset, name.decode(), bool(summer))


def _ascend(times: Sequence[int]) -> bool:
    return all(before < after for before, after in itertools.pairwise(times))
