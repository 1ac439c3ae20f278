"""One direction of a TCP connection, put together from segments in any order.

RFC 9293 sections 3.4 and 3.10. Nothing that was seen is thrown away: what contradicts bytes that
came before is kept apart, for the far end may have taken either.
"""

from dataclasses import dataclass, field
from typing import Final

from client_sim.lab.errors import CaptureError

OVERHEAD: Final = 64
"""Bytes that a piece costs besides its own, so that many small ones do not fill the memory."""

_RING: Final = 1 << 32
_AHEAD_LIMIT: Final = 4096  # pieces that wait for what is missing before them
_KEEP_ALIVE: Final = frozenset({b"", b"\x00"})


class Budget:
    """How many bytes may still be kept of a capture, with what each piece of them costs."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit

    def spend(self, count: int) -> None:
        """Take `count` of them; raise CaptureError where there are no more."""
        self._left -= count
        if self._left < 0:
            raise CaptureError(
                f"more than {self._limit} bytes left the phone: cut the capture into parts"
            )


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that do not fit into the stream: where they would stand, and why they do not."""

    offset: int
    data: bytes
    label: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes that the capture lacks: `size` of them from `offset` on; -1 where that is unknown."""

    offset: int
    size: int


@dataclass(slots=True)
class Stream:
    """What one end sent. `data` are whole up to the first gap, and joined over later ones.

    `pieces` says of them when each part was whole (epoch seconds), and how many bytes it has.
    """

    data: bytearray = field(default_factory=bytearray)
    gaps: list[Gap] = field(default_factory=list)
    odd: list[Piece] = field(default_factory=list)
    retransmitted: int = 0
    begun: bool = False
    ended: bool = False
    pieces: list[tuple[float, int]] = field(default_factory=list)
    _at: float = 0.0
    _missing: int = 0
    _next: int | None = None
    _ahead: dict[int, bytes] = field(default_factory=dict)

    def begin(self, sequence: int) -> None:
        """Note the sequence number of the first byte, from the SYN."""
        self.begun, self._next = True, sequence % _RING

    def add(
        self, sequence: int, data: bytes, missing: int, budget: Budget, at: float = 0.0
    ) -> None:
        """Take the payload of a segment of `at`; `missing` bytes of it were not kept."""
        self._at = at
        if self._next is None:
            self._next = sequence
        self._missing += missing
        distance = self._distance(sequence)
        if not data or (distance == -1 and data in _KEEP_ALIVE):
            return
        budget.spend(len(data) + OVERHEAD)
        if distance > 0:
            self._wait(sequence, data)
            return
        self._take(len(self.data) + distance, data)
        while self._next in self._ahead:
            self._take(len(self.data), self._ahead.pop(self._next))

    def finish(self) -> None:
        """End the stream: what waits for missing bytes is appended after a gap."""
        for start in sorted(self._ahead, key=self._distance):
            distance = self._distance(start)
            if distance > 0:
                self.gaps.append(Gap(len(self.data), distance))
                self._next = start
            self._take(len(self.data) + min(distance, 0), self._ahead[start])
        self._ahead.clear()
        if self._missing:
            self.gaps.append(Gap(-1, self._missing))

    def _distance(self, sequence: int) -> int:
        # Sequence numbers wrap around: the nearest place to what comes next is the one that is
        # meant.
        return (sequence - (self._next or 0) + _RING // 2) % _RING - _RING // 2

    def _wait(self, start: int, data: bytes) -> None:
        known = self._ahead.get(start)
        if known is not None:
            self.retransmitted += 1
            short, long = sorted((known, data), key=len)
            if not long.startswith(short):
                place = len(self.data) + self._distance(start)
                self.odd.append(Piece(place, data, "sent twice, differing"))
                return
            data = long
        elif len(self._ahead) == _AHEAD_LIMIT:
            raise CaptureError(
                "too many segments wait for one that is missing: record the connection again"
            )
        self._ahead[start] = data

    def _take(self, offset: int, data: bytes) -> None:
        """Append what is new of bytes that begin at `offset` or were there already."""
        if offset < 0:
            self.odd.append(Piece(offset, data, "before the beginning"))
            return
        old = self.data[offset : offset + len(data)]
        if old:
            self.retransmitted += 1
            if data[: len(old)] != old:
                self.odd.append(Piece(offset, data, "sent twice, differing"))
        fresh = data[len(old) :]
        self.data += fresh
        if fresh:
            self.pieces.append((self._at, len(fresh)))
        self._next = ((self._next or 0) + len(fresh)) % _RING
