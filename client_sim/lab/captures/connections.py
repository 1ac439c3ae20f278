"""Reassembly of TCP connections and UDP flows: their endpoints, and the bytes that left the phone.

TCP segments are reassembled in any order (RFC 9293 sections 3.4 and 3.10). No bytes are discarded:
those that contradict earlier ones are kept separately, because the far end may have accepted
either.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from client_sim.lab.captures.packets import ACK, FIN, RST, SYN, Datagram, Segment
from client_sim.lab.errors import CaptureError

OVERHEAD: Final = 64
"""Bytes that each piece costs in addition, so that many small pieces cannot fill the memory."""

_RING: Final = 1 << 32
_OUT_OF_ORDER_LIMIT: Final = 4096  # out-of-order pieces that wait for missing bytes
_KEEP_ALIVE: Final = frozenset({b"", b"\x00"})

_LIMIT: Final = 20_000  # connections of a capture


class Budget:
    """The number of bytes of a capture that may still be kept, including `OVERHEAD`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._remaining = limit

    def spend(self, count: int) -> None:
        """Take `count` bytes; raise CaptureError if the budget is exhausted."""
        self._remaining -= count
        if self._remaining < 0:
            raise CaptureError(
                f"more than {self._limit} bytes left the phone: cut the capture into parts"
            )


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that do not fit into the stream: their offset, and the reason (`label`)."""

    offset: int
    data: bytes
    label: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes missing in the capture: `size` bytes at `offset`, which is -1 if unknown."""

    offset: int
    size: int


@dataclass(slots=True)
class Stream:
    """The bytes that one end sent; `data` is contiguous up to the first gap, then joined over gaps.

    `pieces` are the parts of `data`: the time of each (epoch seconds) and its number of bytes.
    """

    data: bytearray = field(default_factory=bytearray)
    gaps: list[Gap] = field(default_factory=list)
    contradictions: list[Piece] = field(default_factory=list)
    has_begun: bool = False
    pieces: list[tuple[float, int]] = field(default_factory=list)
    _at: float = 0.0
    _missing: int = 0
    _next: int | None = None
    _out_of_order: dict[int, bytes] = field(default_factory=dict)

    def begin(self, sequence: int) -> None:
        """Set the sequence number of the first byte, which follows from the SYN."""
        self.has_begun, self._next = True, sequence % _RING

    def add(
        self, sequence: int, data: bytes, missing: int, budget: Budget, at: float = 0.0
    ) -> None:
        """Add the payload of a segment of time `at`, of which `missing` bytes were not captured."""
        self._at = at
        if self._next is None:
            self._next = sequence
        self._missing += missing
        distance = self._distance(sequence)
        if not data or (distance == -1 and data in _KEEP_ALIVE):
            return
        budget.spend(len(data) + OVERHEAD)
        if distance > 0:
            self._hold_back(sequence, data)
            return
        self._take(len(self.data) + distance, data)
        while self._next in self._out_of_order:
            self._take(len(self.data), self._out_of_order.pop(self._next))

    def finish(self) -> None:
        """End the stream: append pieces that wait for missing bytes, after a gap."""
        for start in sorted(self._out_of_order, key=self._distance):
            distance = self._distance(start)
            if distance > 0:
                self.gaps.append(Gap(len(self.data), distance))
                self._next = start
            self._take(len(self.data) + min(distance, 0), self._out_of_order[start])
        self._out_of_order.clear()
        if self._missing:
            self.gaps.append(Gap(-1, self._missing))

    def _distance(self, sequence: int) -> int:
        # Sequence numbers wrap around, so take the position nearest to the next expected byte.
        return (sequence - (self._next or 0) + _RING // 2) % _RING - _RING // 2

    def _hold_back(self, start: int, data: bytes) -> None:
        known = self._out_of_order.get(start)
        if known is not None:
            short, long = sorted((known, data), key=len)
            if not long.startswith(short):
                place = len(self.data) + self._distance(start)
                self.contradictions.append(Piece(place, data, "sent twice, differing"))
                return
            data = long
        elif len(self._out_of_order) == _OUT_OF_ORDER_LIMIT:
            raise CaptureError(
                "too many segments follow a missing one: record the connection again"
            )
        self._out_of_order[start] = data

    def _take(self, offset: int, data: bytes) -> None:
        """Append the bytes at `offset` that are new."""
        if offset < 0:
            self.contradictions.append(Piece(offset, data, "before the beginning"))
            return
        old = self.data[offset : offset + len(data)]
        if data[: len(old)] != old:
            self.contradictions.append(Piece(offset, data, "sent twice, differing"))
        fresh = data[len(old) :]
        self.data += fresh
        if fresh:
            self.pieces.append((self._at, len(fresh)))
        self._next = ((self._next or 0) + len(fresh)) % _RING


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address of 4 or 16 bytes and a port."""

    address: bytes
    port: int

    def __str__(self) -> str:
        host = str(ip_address(self.address))
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


@dataclass(slots=True)
class TcpConnection:
    """A TCP connection; `frame` and `at` are the number and time of its first segment.

    `sent` is what left the phone. `closed` is the time when the phone first closed the connection,
    and `is_reset` says whether it did so by a reset. `is_guess` says that no SYN was captured, so
    which end opened the connection is guessed from the ports.
    """

    local: Endpoint
    remote: Endpoint
    frame: int
    at: float
    is_guess: bool
    sent: Stream = field(default_factory=Stream)
    start: int | None = None  # sequence number of the SYN
    closed: float | None = None
    is_reset: bool = False


class TcpConnections:
    """Collects the connections of a capture from its segments.

    `phones` are the phone's addresses; if there are none, the end that opens a connection counts as
    the phone.
    """

    def __init__(self, phones: frozenset[bytes], budget: Budget) -> None:
        self.others: Counter[str] = Counter()
        self._phones = phones
        self._budget = budget
        self._all: list[TcpConnection] = []
        self._open: dict[tuple[Endpoint, Endpoint], TcpConnection] = {}

    def add(self, frame: int, at: float, ends: tuple[bytes, bytes], segment: Segment) -> None:
        """Add a segment that was sent from the first of `ends` to the second."""
        source, target = Endpoint(ends[0], segment.source), Endpoint(ends[1], segment.target)
        if self._phones and not self._phones & {*ends}:
            self.others["TCP segments"] += 1
            return
        connection = self._open.get((source, target)) or self._open.get((target, source))
        is_first = bool(segment.flags & SYN) and not segment.flags & ACK
        if connection is None or (is_first and _is_new_connection(connection, source, segment)):
            connection = self._new(frame, at, source, target, segment)
        self._take(connection, at, source, segment)

    def finish(self) -> Iterator[TcpConnection]:
        """End all connections, and yield them in the order of their first segments."""
        for connection in self._all:
            connection.sent.finish()
            yield connection

    def _new(
        self, frame: int, at: float, source: Endpoint, target: Endpoint, segment: Segment
    ) -> TcpConnection:
        if len(self._all) == _LIMIT:
            raise CaptureError(f"the capture has more than {_LIMIT} connections: cut it into parts")
        is_guess = not segment.flags & SYN
        if self._phones:
            is_sender = source.address in self._phones
        elif is_guess:
            is_sender = source.port >= target.port
        else:
            is_sender = not segment.flags & ACK
        local, remote = (source, target) if is_sender else (target, source)
        connection = TcpConnection(local, remote, frame, at, is_guess)
        if segment.flags & SYN and source == local:
            connection.start = segment.sequence
        self._open.pop((remote, local), None)
        self._open[local, remote] = connection
        self._all.append(connection)
        return connection

    def _take(
        self, connection: TcpConnection, at: float, source: Endpoint, segment: Segment
    ) -> None:
        if source != connection.local:
            return
        if segment.flags & (FIN | RST) and connection.closed is None:
            # Only the first close counts: after an orderly close, the system resets the connection
            # if more data arrives, which is not the client's doing.
            connection.closed, connection.is_reset = at, bool(segment.flags & RST)
        sequence, stream = segment.sequence, connection.sent
        if segment.flags & RST and segment.payload:
            self._budget.spend(len(segment.payload) + OVERHEAD)
            stream.contradictions.append(Piece(len(stream.data), segment.payload, "with a reset"))
            return
        if segment.flags & SYN:
            sequence = (sequence + 1) % (1 << 32)
            if not stream.has_begun:
                stream.begin(sequence)
        stream.add(sequence, segment.payload, segment.missing, self._budget, at)


def _is_new_connection(connection: TcpConnection, source: Endpoint, segment: Segment) -> bool:
    """Return whether a SYN opens a new connection, rather than being retransmitted."""
    return connection.local != source or connection.start != segment.sequence


@dataclass(slots=True)
class Flow:
    """The datagrams between two endpoints that left the phone, each with its time."""

    local: Endpoint
    remote: Endpoint
    at: float
    sent: list[tuple[float, bytes]] = field(default_factory=list)


class Flows:
    """The UDP flows of a capture; without known phones, the end that sends first is the phone."""

    def __init__(self, phones: frozenset[bytes], budget: Budget) -> None:
        self.others: Counter[str] = Counter()
        self._phones = phones
        self._budget = budget
        self._all: dict[tuple[Endpoint, Endpoint], Flow] = {}

    def add(self, at: float, ends: tuple[bytes, bytes], datagram: Datagram) -> bool:
        """Add a datagram; return whether it left the phone."""
        source, target = Endpoint(ends[0], datagram.source), Endpoint(ends[1], datagram.target)
        if self._phones and not self._phones & {*ends}:
            self.others["UDP datagrams"] += 1
            return False
        flow = self._all.get((source, target)) or self._all.get((target, source))
        if flow is None:
            if len(self._all) == _LIMIT:
                raise CaptureError(f"the capture has more than {_LIMIT} flows: cut it into parts")
            swap = bool(self._phones) and source.address not in self._phones
            local, remote = (target, source) if swap else (source, target)
            flow = self._all[local, remote] = Flow(local, remote, at)
        if source != flow.local:
            return False
        self._budget.spend(len(datagram.payload) + OVERHEAD)
        flow.sent.append((at, datagram.payload))
        return True

    def __iter__(self) -> Iterator[Flow]:
        return iter(self._all.values())
