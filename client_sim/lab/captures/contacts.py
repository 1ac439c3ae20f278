"""Connections and datagrams of a capture, their ends, and what of them left the phone."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from client_sim.lab.captures.segments import ACK, FIN, RST, SYN, Datagram, Segment
from client_sim.lab.captures.streams import OVERHEAD, Budget, Piece, Stream
from client_sim.lab.errors import CaptureError

_LIMIT: Final = 20_000  # connections of a capture


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address of 4 or 16 bytes and a port."""

    address: bytes
    port: int

    def __str__(self) -> str:
        host = str(ip_address(self.address))
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


@dataclass(slots=True)
class Contact:
    """A TCP connection: `frame` and `at` are those of its first segment.

    `sent` is what left the phone, `closed` when the phone first closed, by a reset where `is_reset`
    says so. `is_guess` says that no SYN was seen, so that the end that opened the connection
    follows from the ports alone.
    """

    near: Endpoint
    far: Endpoint
    frame: int
    at: float
    is_guess: bool
    sent: Stream = field(default_factory=Stream)
    received: int = 0
    start: int | None = None  # sequence number of the SYN
    closed: float | None = None
    is_reset: bool = False


class Contacts:
    """The connections of a capture, as its segments come by.

    `phones` are the phone's addresses; where none is known, the end that opens a connection counts
    as the phone.
    """

    def __init__(self, phones: frozenset[bytes], budget: Budget) -> None:
        self.others: Counter[str] = Counter()
        self._phones = phones
        self._budget = budget
        self._all: list[Contact] = []
        self._open: dict[tuple[Endpoint, Endpoint], Contact] = {}

    def add(self, frame: int, at: float, ends: tuple[bytes, bytes], segment: Segment) -> None:
        """Take a segment that went from the first of `ends` to the second."""
        source, target = Endpoint(ends[0], segment.source), Endpoint(ends[1], segment.target)
        if self._phones and not self._phones & {*ends}:
            self.others["TCP segments"] += 1
            return
        contact = self._open.get((source, target)) or self._open.get((target, source))
        is_first = bool(segment.flags & SYN) and not segment.flags & ACK
        if contact is None or (is_first and _is_another(contact, source, segment)):
            contact = self._new(frame, at, source, target, segment)
        self._take(contact, at, source, segment)

    def finish(self) -> Iterator[Contact]:
        """End all connections and give them in the order of their first segments."""
        for contact in self._all:
            contact.sent.finish()
            yield contact

    def _new(
        self, frame: int, at: float, source: Endpoint, target: Endpoint, segment: Segment
    ) -> Contact:
        if len(self._all) == _LIMIT:
            raise CaptureError(f"the capture has more than {_LIMIT} connections: cut it into parts")
        is_guess = not segment.flags & SYN
        if self._phones:
            is_sender = source.address in self._phones
        elif is_guess:
            is_sender = source.port >= target.port
        else:
            is_sender = not segment.flags & ACK
        near, far = (source, target) if is_sender else (target, source)
        contact = Contact(near, far, frame, at, is_guess)
        if segment.flags & SYN and source == near:
            contact.start = segment.sequence
        self._open.pop((far, near), None)
        self._open[near, far] = contact
        self._all.append(contact)
        return contact

    def _take(self, contact: Contact, at: float, source: Endpoint, segment: Segment) -> None:
        if source != contact.near:
            contact.received += len(segment.payload) + segment.missing
            return
        if segment.flags & (FIN | RST) and contact.closed is None:
            # The system answers what comes after an orderly close by a reset; the client did not.
            contact.closed, contact.is_reset = at, bool(segment.flags & RST)
        sequence, stream = segment.sequence, contact.sent
        if segment.flags & RST and segment.payload:
            self._budget.spend(len(segment.payload) + OVERHEAD)
            stream.odd.append(Piece(len(stream.data), segment.payload, "with a reset"))
            return
        if segment.flags & SYN:
            sequence = (sequence + 1) % (1 << 32)
            if not stream.begun:
                stream.begin(sequence)
        if segment.flags & FIN:
            stream.ended = True
        stream.add(sequence, segment.payload, segment.missing, self._budget, at)


def _is_another(contact: Contact, source: Endpoint, segment: Segment) -> bool:
    """Return whether a SYN opens a new connection between the same ports; it may be sent twice."""
    return contact.near != source or contact.start != segment.sequence


@dataclass(slots=True)
class Flow:
    """Datagrams between two endpoints: those that left the phone, each with its time."""

    near: Endpoint
    far: Endpoint
    frame: int
    at: float
    sent: list[tuple[float, bytes]] = field(default_factory=list)
    received: int = 0


class Flows:
    """The UDP flows of a capture; where no phone is known, the end that sends first is it."""

    def __init__(self, phones: frozenset[bytes], budget: Budget) -> None:
        self.others: Counter[str] = Counter()
        self._phones = phones
        self._budget = budget
        self._all: dict[tuple[Endpoint, Endpoint], Flow] = {}

    def add(self, frame: int, at: float, ends: tuple[bytes, bytes], datagram: Datagram) -> bool:
        """Take a datagram; return whether it left the phone."""
        source, target = Endpoint(ends[0], datagram.source), Endpoint(ends[1], datagram.target)
        if self._phones and not self._phones & {*ends}:
            self.others["UDP datagrams"] += 1
            return False
        flow = self._all.get((source, target)) or self._all.get((target, source))
        if flow is None:
            if len(self._all) == _LIMIT:
                raise CaptureError(f"the capture has more than {_LIMIT} flows: cut it into parts")
            swap = bool(self._phones) and source.address not in self._phones
            near, far = (target, source) if swap else (source, target)
            flow = self._all[near, far] = Flow(near, far, frame, at)
        if source != flow.near:
            flow.received += 1
            return False
        self._budget.spend(len(datagram.payload) + OVERHEAD)
        flow.sent.append((at, datagram.payload))
        return True

    def __iter__(self) -> Iterator[Flow]:
        return iter(self._all.values())
