"""Range requests of RFC 9110 section 14, for one range; several are answered as if none was asked.

Pure. A list may have empty elements (section 5.6.1.2) and a unit any case (section 14.1).
"""

import re
from dataclasses import dataclass

_UNIT = re.compile(rb"bytes=", re.IGNORECASE)
# A number may have any number of digits; a line of a request has 2,048 octets.
_RANGE = re.compile(rb"([0-9]{1,2048})-([0-9]{0,2048})|-([0-9]{1,2048})")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The octets from `first` to `last`, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many octets the range has."""
        return self.last - self.first + 1


class Unsatisfiable(Exception):  # noqa: N818 - an answer (416), not a fault
    """A range that begins behind the end."""


def plan_range(
    value: bytes | None, if_range: bytes | None, etag: str, length: int
) -> ByteRange | None:
    """Return the range to send, or None for the whole representation.

    A malformed or multiple range is ignored, as is one whose `If-Range` is not this entity tag
    (section 13.1.5: a strong comparison, and a date never matches). Raises Unsatisfiable.
    """
    if value is None or (if_range is not None and if_range != etag.encode()):
        return None
    match = _RANGE.fullmatch(_only_range(value))
    if match is None:
        return None
    start, end, suffix = match.groups()
    if suffix is not None:
        if int(suffix) == 0:
            raise Unsatisfiable
        if length == 0:  # satisfiable, and no Content-Range could say so
            return None
        return ByteRange(max(0, length - int(suffix)), length - 1)
    first, last = int(start), int(end) if end else length - 1
    if end and last < first:
        return None
    if first >= length:
        raise Unsatisfiable
    return ByteRange(first, min(last, length - 1))


def _only_range(value: bytes) -> bytes:
    """Return the range of a set that has one, and otherwise nothing."""
    unit = _UNIT.match(value)
    if unit is None:
        return b""
    ranges = [each.strip(b" \t") for each in value[unit.end() :].split(b",")]
    several = [each for each in ranges if each]
    return several[0] if len(several) == 1 else b""
