"""Entries of `zones`: time zones in TZif, or links to them.

Source: docs/FORMATS.md section 15.
"""

import re
import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import msgspec

from server.core.content.kinds import convert_entries, entry_error
from server.core.content.part import Entries
from server.core.encodings import decode_base64
from server.core.errors import FormatError

_HEADER = struct.Struct(">4sc15s6I")
EMPTY_BLOCK = struct.pack(">6I", 0, 0, 0, 0, 1, 1) + bytes(7)
"""Counts and data of a block with one local time type, UTC without a name."""
_CLOCK = r"(?::[0-5][0-9](?::[0-5][0-9])?)?"
_OFFSET = rf"[+-]?(?:2[0-4]|1[0-9]|0?[0-9]){_CLOCK}"
_TIME = rf"[+-]?(?:16[0-7]|1[0-5][0-9]|0?[0-9]?[0-9]){_CLOCK}"
_ABBREVIATION = r"(?:[A-Za-z]{3,16}|<[A-Za-z0-9+-]{3,16}>)"
_DAY = (
    r"(?:M(?:1[0-2]|0?[1-9])\.[1-5]\.[0-6]"
    r"|J(?:36[0-5]|3[0-5][0-9]|[12][0-9]{2}|[1-9][0-9]?)"
    r"|36[0-5]|3[0-5][0-9]|[12][0-9]{2}|[1-9]?[0-9])"
)
_RULE = rf",{_DAY}(?:/{_TIME})?"
_TZ = re.compile(rf"{_ABBREVIATION}{_OFFSET}(?:{_ABBREVIATION}(?:{_OFFSET})?{_RULE}{_RULE})?")
_DESIGNATION = re.compile(rb"[A-Za-z0-9+-]{3,16}")
_FIRST_OFFSET, _LAST_OFFSET = -89_999, 93_599  # RFC 9636 section 3.2: the range that readers accept


@dataclass(frozen=True, slots=True)
class _Counts:
    isut: int
    isstd: int
    leap: int
    time: int
    type: int
    char: int

    def size(self) -> int:
        return self.time * 9 + self.type * 6 + self.char + self.leap * 12 + self.isstd + self.isut


def check_tzif(data: bytes) -> None:
    """Raise FormatError unless `data` is one valid TZif file of version 2 to 4."""
    version, _ = _read_header(data)
    at = _HEADER.size + 7
    if data[at - len(EMPTY_BLOCK) : at] != EMPTY_BLOCK:
        raise FormatError("a TZif file's block of version 1 is not empty")
    version_again, counts = _read_header(data[at:])
    if version_again != version:
        raise FormatError("a TZif file has two versions")
    at += _HEADER.size
    end = at + counts.size()
    if end > len(data):
        raise FormatError("a TZif file ends within its data")
    _check_block(data[at:end], counts)
    footer = data[end:]
    if len(footer) < 2 or footer[:1] + footer[-1:] != b"\n\n" or not footer.isascii():
        raise FormatError("a TZif file has no footer, or has bytes after it")
    rule = footer[1:-1].decode()
    if rule and (len(rule) > 128 or _TZ.fullmatch(rule) is None):
        raise FormatError(f"a TZif file's footer holds {rule[:60]!r}, which is not a TZ string")


def _read_header(data: bytes) -> tuple[bytes, _Counts]:
    if len(data) < _HEADER.size:
        raise FormatError("a TZif file ends within a header")
    magic, version, reserved, *numbers = _HEADER.unpack_from(data)
    counts = _Counts(*numbers)
    if magic != b"TZif" or version not in {b"2", b"3", b"4"}:
        raise FormatError("a TZif file is not of version 2 to 4")
    if any(reserved):
        raise FormatError("a TZif file's header has reserved bytes that are not zero")
    if (
        not 1 <= counts.type <= 256
        or not counts.char
        or counts.isut not in {0, counts.type}
        or counts.isstd not in {0, counts.type}
    ):
        raise FormatError("a TZif file's counts contradict each other")
    return version, counts


def _check_block(block: bytes, counts: _Counts) -> None:
    if counts.leap:
        raise FormatError("a TZif file has leap seconds, which phones do not count")
    at = counts.time * 8
    times = struct.unpack(f">{counts.time}q", block[:at])
    if any(first >= second for first, second in pairwise(times)):
        raise FormatError("a TZif file's times do not ascend")
    types, at = block[at : at + counts.time], at + counts.time
    if any(number >= counts.type for number in types):
        raise FormatError("a TZif file names a type that it does not have")
    records, at = block[at : at + 6 * counts.type], at + 6 * counts.type
    names = block[at : at + counts.char]
    if names[-1:] != b"\0":
        raise FormatError("a TZif file's designations have no end")
    _check_designations(names, {index for _, _, index in struct.iter_unpack(">iBB", records)})
    for offset, is_dst, index in struct.iter_unpack(">iBB", records):
        if not _FIRST_OFFSET <= offset <= _LAST_OFFSET or is_dst > 1 or index >= counts.char:
            raise FormatError("a TZif file has a type out of range")
        if _DESIGNATION.fullmatch(names[index : names.index(b"\0", index)]) is None:
            raise FormatError(
                "a TZif file has a designation with other characters than letters, digits, + and -"
            )
    flags = block[len(block) - counts.isstd - counts.isut :]
    if any(flag > 1 for flag in flags):
        raise FormatError("a TZif file has an indicator that is neither 0 nor 1")


def _check_designations(names: bytes, indices: set[int]) -> None:
    """Raise FormatError unless each designation is valid and a local time uses it or its end."""
    at = 0
    for name in names[:-1].split(b"\0"):
        following = at + len(name) + 1
        if _DESIGNATION.fullmatch(name) is None or indices.isdisjoint(range(at, following)):
            raise FormatError("a TZif file has a designation that no local time uses")
        at = following


_LIMIT = 65_536
_NAME = re.compile(r"(?!.*\.\.?(?:/|\Z))[A-Za-z0-9._+-]+(?:/[A-Za-z0-9._+-]+)*")


class Zone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A time zone: either `tzif`, in base64, or `link`, the zone of which it is an alias."""

    tzif: Annotated[str, msgspec.Meta(max_length=4 * (_LIMIT // 3 + 1))] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    link: str | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        if (self.tzif is msgspec.UNSET) == (self.link is msgspec.UNSET):
            raise ValueError("it must have exactly one of tzif and link")


def check_entries(kind: str, entries: Entries) -> None:
    """Raise FormatError unless the entries are a pack of time zones."""
    zones = convert_entries(kind, entries, Zone, _check_zone)
    for key, zone in zones.items():
        if zone.link is not msgspec.UNSET and (
            zone.link not in zones or zones[zone.link].tzif is msgspec.UNSET
        ):
            raise entry_error(kind, key, f"it links to {zone.link[:64]!r}, which has no tzif")


def _check_zone(key: str, zone: Zone) -> None:
    if _NAME.fullmatch(key) is None:
        raise ValueError("the key is not the name of a time zone")
    if zone.tzif is not msgspec.UNSET:
        data = decode_base64(zone.tzif)
        if len(data) > _LIMIT:
            raise ValueError(f"the zone has more than {_LIMIT} bytes")
        check_tzif(data)
