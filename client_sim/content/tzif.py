"""Checks that octets are a TZif file (RFC 9636, versions 2 to 4) before a library reads them."""

import io
import itertools
import re
import struct
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from client_sim.device.errors import ContentError

_HEADER: Final = struct.Struct(">4s1s15x6I")
_TYPE: Final = struct.Struct(">i2B")
_LEAP_CORRECTION: Final = 4
_DAY: Final = 86_400
_FOOTER: Final = re.compile(rb"\n[ -~]{0,128}\n")


@dataclass(frozen=True, slots=True)
class _Counts:
    isut: int
    isstd: int
    leap: int
    time: int
    type: int
    char: int

    def size(self, width: int) -> int:
        """Return the octets of a data block whose times have `width` octets."""
        return (
            self.time * (width + 1)
            + self.type * _TYPE.size
            + self.char
            + self.leap * (width + _LEAP_CORRECTION)
            + self.isstd
            + self.isut
        )


def decode_tzif(octets: bytes) -> zoneinfo.ZoneInfo:
    """Return the time zone of a TZif file; raises ContentError for any that is malformed."""
    _check_blocks(octets)
    try:
        return zoneinfo.ZoneInfo.from_file(io.BytesIO(octets))
    except (ValueError, IndexError, OverflowError):
        raise ContentError("A time zone has a rule for later years that is none.") from None


def _check_blocks(octets: bytes) -> None:
    first, version = _read_header(octets, 0)
    second_at = _HEADER.size + first.size(4)
    second, again = _read_header(octets, second_at)
    if version != again:
        raise ContentError("A time zone states two versions of its format.")
    data_at = second_at + _HEADER.size
    _check_data(octets[_HEADER.size : second_at], first, 4)
    footer_at = data_at + second.size(8)
    _check_data(octets[data_at:footer_at], second, 8)
    if _FOOTER.fullmatch(octets[footer_at:]) is None:
        raise ContentError("A time zone does not end as it should.")


def _read_header(octets: bytes, at: int) -> tuple[_Counts, bytes]:
    if len(octets) - at < _HEADER.size:
        raise ContentError("A time zone is cut short.")
    magic, version, *counts = _HEADER.unpack_from(octets, at)
    if magic != b"TZif" or version not in b"234":
        raise ContentError("A time zone is not TZif of version 2, 3 or 4.")
    found = _Counts(*counts)
    if found.isut not in {0, found.type} or found.isstd not in {0, found.type}:
        raise ContentError("A time zone counts its indicators wrongly.")
    if not 1 <= found.type <= 256 or not found.char or found.size(4) > len(octets):
        raise ContentError("A time zone has no local time, or more than it has octets for.")
    return found, version


def _check_data(data: bytes, counts: _Counts, width: int) -> None:
    if len(data) != counts.size(width):
        raise ContentError("A time zone is cut short.")
    code = {4: "i", 8: "q"}[width]
    times = struct.unpack_from(f">{counts.time}{code}", data)
    at = counts.time * width
    kinds = data[at : at + counts.time]
    at += counts.time
    names_at = at + counts.type * _TYPE.size
    names = data[names_at : names_at + counts.char]
    if not _ascend(times) or any(kind >= counts.type for kind in kinds):
        raise ContentError("A time zone has changes out of order, or to a time that is not there.")
    for offset, is_summer, place in _TYPE.iter_unpack(data[at:names_at]):
        end = names.find(b"\0", place)
        if not -_DAY < offset < _DAY or is_summer > 1 or place >= counts.char or end < 0:
            raise ContentError("A time zone has a local time that cannot be.")
        if not re.fullmatch(rb"[A-Za-z0-9+-]*", names[place:end]):
            raise ContentError("A time zone has a name of a time that is no name.")
    leaps_at = names_at + counts.char
    leaps = struct.Struct(f">{code}i")
    rows = leaps.iter_unpack(data[leaps_at : leaps_at + counts.leap * leaps.size])
    if not _ascend([second for second, _ in rows]):
        raise ContentError("A time zone has leap seconds out of order.")
    indicators = data[leaps_at + counts.leap * leaps.size :]
    if any(indicator > 1 for indicator in indicators):
        raise ContentError("A time zone has an indicator that is neither 0 nor 1.")


def _ascend(times: Sequence[int]) -> bool:
    return all(before < after for before, after in itertools.pairwise(times))
