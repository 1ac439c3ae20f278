"""Everything that left a client during one run, in order: the trace that all oracles read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Channel(StrEnum):
    """The ways out of a phone."""

    DNS = "dns question"
    CONNECT = "connect target"
    TLS = "tls parameters"
    OCTETS = "octets"
    SIZES = "sizes on the wire"
    CLOSE = "close"
    SCHEDULE = "next poll"
    CRASH = "crash"


@dataclass(frozen=True, slots=True)
class Departure:
    """One thing that left: when (epoch seconds), during which phase, by which channel.

    `connection` counts from 0 in the order of connecting and is -1 where there is none. `octets`
    are the octets of one send call, the name of a DNS question, `ADDRESS PORT TLS-NAME` of a
    connect target, the due time of the next poll, the name of an exception.
    """

    at: float
    phase: str
    channel: Channel
    connection: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class Draw:
    """Fresh randomness that a client took."""

    phase: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class Read:
    """A look of the client at its owner's data: the field and the phase."""

    phase: str
    field: str


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection: its target, all octets sent on it, how often and whether it was closed."""

    index: int
    phase: str
    target: bytes
    octets: bytes
    closes: int
    last_phase: str


@dataclass(frozen=True, slots=True)
class Observation:
    """One run of one client.

    `received` and `far_end` hold an entry for each connection: what came back, and what the other
    end of the socket got; `far_end` is None when no sockets were used. `outcomes` is what each poll
    said that it decided: nothing that left, but it shows how far the polls got; `failures` has, by
    phase, the sentence of each poll that says itself that it ended early.
    """

    departures: tuple[Departure, ...]
    draws: tuple[Draw, ...]
    reads: tuple[Read, ...]
    received: tuple[bytes, ...]
    far_end: tuple[bytes, ...] | None
    outcomes: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)

    def connections(self) -> tuple[Connection, ...]:
        """Gather the octets of each connection in the order they were sent."""
        return tuple(self._connection(index) for index in range(len(self.received)))

    def _connection(self, index: int) -> Connection:
        own = [departure for departure in self.departures if departure.connection == index]
        return Connection(
            index=index,
            phase=own[0].phase,
            target=own[0].octets,
            octets=b"".join(d.octets for d in own if d.channel is Channel.OCTETS),
            closes=sum(d.channel is Channel.CLOSE for d in own),
            last_phase=own[-1].phase,
        )

    def questions(self) -> tuple[Departure, ...]:
        """List the DNS questions."""
        return tuple(d for d in self.departures if d.channel is Channel.DNS)
