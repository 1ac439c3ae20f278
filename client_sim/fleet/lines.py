"""The distinct requests of a fleet, and how many phones have sent each: its anonymity set."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

LIMIT: Final = 20_000
"""Distinct requests whose senders are told apart; the rest is counted together."""


@dataclass(frozen=True, slots=True)
class LineCount:
    """The octets of a request, how often they were sent and by how many phones."""

    octets: bytes
    sent: int
    phones: int


class Line:
    """One distinct request of `octets`, and a bit for each phone that has sent it."""

    __slots__ = ("_senders", "octets", "phones", "sent", "size")

    def __init__(self, octets: bytes, phones: int) -> None:
        self.octets = octets
        self.size = len(octets)
        self.sent = 0
        self.phones = 0
        self._senders = bytearray((phones + 7) // 8)

    def note(self, phone: int) -> None:
        """Count that `phone` has sent it."""
        self.sent += 1
        place, bit = phone >> 3, 1 << (phone & 7)
        if not self._senders[place] & bit:
            self._senders[place] |= bit
            self.phones += 1


class Lines:
    """The distinct requests of `phones` phones."""

    def __init__(self, phones: int) -> None:
        self._phones = phones
        self._rest: list[Line] = []
        self._lines: dict[bytes, Line] = {}

    def find(self, octets: bytes) -> Line:
        """Return the line of a request, a new one for octets that nobody has sent."""
        line = self._lines.get(octets)
        if line is None:
            line = Line(octets, self._phones)
            if len(self._lines) >= LIMIT:
                # Its octets are sent all the same; only its senders are no more told apart.
                self._rest.append(line)
                return line
            self._lines[octets] = line
        return line

    def total(self) -> tuple[int, int]:
        """Return how many requests were sent, and their octets."""
        lines = [*self._lines.values(), *self._rest]
        return sum(line.sent for line in lines), sum(line.sent * line.size for line in lines)

    def counts(self) -> Iterator[LineCount]:
        """Yield what was sent at all."""
        for line in self._lines.values():
            if line.sent:
                yield LineCount(line.octets, line.sent, line.phones)


def merge_lines(parts: list[list[LineCount]]) -> list[LineCount]:
    """Add up the counts of several workers, whose phones are different ones; most senders first."""
    merged: dict[bytes, tuple[int, int]] = {}
    for part in parts:
        for line in part:
            sent, phones = merged.get(line.octets, (0, 0))
            merged[line.octets] = sent + line.sent, phones + line.phones
    counts = [LineCount(octets, *numbers) for octets, numbers in merged.items()]
    return sorted(counts, key=lambda line: (-line.phones, line.octets))
