"""A time zone by its offsets: what it says, and from when on two of them differ.

Source: RFC 9636 section 3. What holds at an instant is asked of zoneinfo, which knows the rule for
later years, too.
"""

import base64
import hashlib
import io
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from server.core.content.tzif import check_tzif

_HEADER = struct.Struct(">4sc15x6I")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = datetime(1, 1, 3, tzinfo=UTC)
_LAST = datetime(9999, 12, 29, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Zone:
    """A zone that can be asked, the instants at which it changes, its rule for later years."""

    zone: ZoneInfo
    instants: tuple[datetime, ...]
    rule: str
    sha256: str

    def show(self, instant: datetime) -> str:
        """Return offset and name of the time at an instant, such as `+07:00 WIB`."""
        local = instant.astimezone(self.zone)
        offset = str(local.isoformat())[len(local.replace(tzinfo=None).isoformat()) :]
        return f"{offset} {local.tzname()}"


def name_zone(entry: dict[str, Any]) -> dict[str, str]:
    """Return what a zone says: the link, or its times; ValueError, FormatError where it is none."""
    if "link" in entry:
        return {"link": str(entry["link"])}
    zone = _decode(entry)
    at = "no change" if not zone.instants else f"{len(zone.instants)} changes"
    last = [f"from {_moment(each)} on {zone.show(each)}" for each in zone.instants[-1:]]
    return {
        "times": ", ".join((f"{zone.show(_FIRST)} at first", at, *last)),
        "rule for later years": zone.rule,
        "sha256": zone.sha256,
    }


def compare_zones(
    old: dict[str, Any], new: dict[str, Any]
) -> list[tuple[str, str | None, str | None]]:
    """Return name, value before and after of what differs between two zones with times.

    Of the instants the first at which they differ is told, and how many there are.
    """
    before, after = _decode(old), _decode(new)
    instants = [_FIRST, *sorted({*before.instants, *after.instants})]
    differing = [each for each in instants if before.show(each) != after.show(each)]
    found: list[tuple[str, str | None, str | None]] = []
    if differing:
        first = differing[0]
        name = "at first" if first == _FIRST else f"from {_moment(first)} on"
        found.append((name, before.show(first), after.show(first)))
        count = f"{len(differing)} of {len(instants)}, the last from {_moment(differing[-1])} on"
        found.append(("times that differ", None, count))
    for name in ("rule", "sha256"):
        values = getattr(before, name), getattr(after, name)
        if values[0] != values[1]:
            found.append(("rule for later years" if name == "rule" else name, *values))
    return found


def _decode(entry: dict[str, Any]) -> _Zone:
    data = base64.b64decode(entry["tzif"], validate=True)
    check_tzif(data)
    *_, isut, isstd, leap, time, kinds, chars = _HEADER.unpack_from(data)
    at = _HEADER.size + time * 5 + kinds * 6 + chars + leap * 8 + isstd + isut
    count = _HEADER.unpack_from(data, at)[5]
    seconds = struct.unpack_from(f">{count}q", data, at + _HEADER.size)
    limits = [int((each - _EPOCH).total_seconds()) for each in (_FIRST, _LAST)]
    return _Zone(
        zone=ZoneInfo.from_file(io.BytesIO(data)),
        instants=tuple(
            _EPOCH + timedelta(seconds=each) for each in seconds if limits[0] < each < limits[1]
        ),
        rule=data[:-1].rpartition(b"\n")[2].decode(),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _moment(instant: datetime) -> str:
    return f"{instant.replace(tzinfo=None).isoformat(' ')} UTC"
