"""Counts the distinct requests of a fleet, and the phones that sent each: its anonymity set."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

LIMIT: Final = 20_000
"""Maximum distinct requests whose senders are counted; all others are counted together."""


@dataclass(frozen=True, slots=True)
class LineCount:
    """The bytes of a request, the number of times they were sent, and the number of senders."""

    data: bytes
    sent: int
    phones: int


class Line:
    """A distinct request `data`, and a bit for each phone, set if the phone has sent it."""

    __slots__ = ("data", "phones", "senders", "sent", "size")

    def __init__(self, data: bytes, phones: int) -> None:
        self.data = data
        self.size = len(data)
        self.sent = 0
        self.phones = 0
        self.senders = bytearray((phones + 7) // 8)

    def note(self, phone: int) -> None:
        """Count the request as sent by `phone`."""
        self.sent += 1
        place, bit = phone >> 3, 1 << (phone & 7)
        if not self.senders[place] & bit:
            self.senders[place] |= bit
            self.phones += 1

    def add(self, other: "Line") -> None:
        """Add the counts of `other`."""
        self.sent += other.sent
        data = len(self.senders)
        senders = int.from_bytes(self.senders, "little")
        senders |= int.from_bytes(other.senders, "little")
        self.senders[:] = senders.to_bytes(data, "little")
        self.phones = senders.bit_count()


class Overflow:
    """The totals of the requests beyond the limit: their number and their bytes."""

    __slots__ = ("data", "sent")

    def __init__(self) -> None:
        self.data = 0
        self.sent = 0


class UncountedLine(Line):
    """A request beyond the limit: it is counted in `overflow`, without its senders."""

    __slots__ = ("_overflow",)

    def __init__(self, data: bytes, overflow: Overflow) -> None:
        super().__init__(data, 0)
        self._overflow = overflow

    def note(self, phone: int) -> None:  # noqa: ARG002 - senders are not counted
        """Count the request."""
        self._overflow.sent += 1
        self._overflow.data += self.size

    def add(self, other: Line) -> None:
        """Count the request as often as `other` was sent."""
        self._overflow.sent += other.sent
        self._overflow.data += other.sent * self.size


class LinePair(Line):
    """Two requests that are sent together: counted once, and added to both lines by `settle`."""

    __slots__ = ("_first", "_second")

    def __init__(self, first: Line, second: Line, phones: int) -> None:
        super().__init__(first.data + second.data, phones)
        self._first, self._second = first, second

    def settle(self) -> None:
        """Add the count to both lines, and reset it."""
        for line in (self._first, self._second):
            line.add(self)
        self.sent = 0


class Lines:
    """The distinct requests of `phones` phones."""

    def __init__(self, phones: int) -> None:
        self._phones = phones
        self._overflow = Overflow()
        self._lines: dict[bytes, Line] = {}
        self._pairs: list[LinePair] = []

    def pair(self, first: Line, second: Line) -> LinePair:
        """Return the pair of two requests of this object."""
        pair = LinePair(first, second, self._phones)
        self._pairs.append(pair)
        return pair

    def find(self, data: bytes) -> Line:
        """Return the line of a request; make one for a new request."""
        line = self._lines.get(data)
        if line is None:
            if len(self._lines) >= LIMIT:
                # The request is still sent and counted, but not its senders.
                return UncountedLine(data, self._overflow)
            line = self._lines[data] = Line(data, self._phones)
        return line

    def total(self) -> tuple[int, int]:
        """Return the number of sent requests and their bytes."""
        for pair in self._pairs:
            pair.settle()
        overflow, lines = self._overflow, self._lines.values()
        return (
            overflow.sent + sum(line.sent for line in lines),
            overflow.data + sum(line.sent * line.size for line in lines),
        )

    def untold(self) -> int:
        """Return the number of sent requests beyond the limit."""
        return self._overflow.sent

    def counts(self) -> Iterator[LineCount]:
        """Yield the counts of all requests that were sent."""
        for pair in self._pairs:
            pair.settle()
        for line in self._lines.values():
            if line.sent:
                yield LineCount(line.data, line.sent, line.phones)


def merge_lines(parts: list[list[LineCount]]) -> list[LineCount]:
    """Add up the counts of several workers, which have different phones.

    The result is sorted by the number of senders, highest first.
    """
    merged: dict[bytes, tuple[int, int]] = {}
    for part in parts:
        for line in part:
            sent, phones = merged.get(line.data, (0, 0))
            merged[line.data] = sent + line.sent, phones + line.phones
    counts = [LineCount(data, *numbers) for data, numbers in merged.items()]
    return sorted(counts, key=lambda line: (-line.phones, line.data))
