"""Everything that left a client during one run, in order: the trace that all oracles read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Final

RESET: Final = b"reset"
"""The bytes of a close that resets the connection; an orderly close has none."""


class Channel(StrEnum):
    """The ways out of a phone."""

    DNS = "dns question"
    CONNECT = "connect target"
    TLS = "tls parameters"
    BYTES = "octets"
    SIZES = "sizes on the wire"
    OTHER = "other traffic"
    CLOSE = "close"
    SCHEDULE = "next poll"
    DUE = "next poll, asked again"
    DETOUR = "past the world"
    CRASH = "crash"


@dataclass(frozen=True, slots=True)
class Departure:
    """One thing that left: when (epoch seconds), during which phase, by which channel.

    `phase` is a step of a scenario, in a capture the place where it stands. `connection` counts
    from 0 in the order of connecting and is -1 where there is none. `data` are, by channel: the
    bytes of one send call (in a capture, of one segment, and whatever else left); the name of a DNS
    question; `ADDRESS PORT TLS-NAME` of a connect target; the due time of the next poll (as `DUE`
    where it changed, or is a reset phone's first); what was tried outside the world; the name of an
    exception; of a close, `RESET` or nothing.
    """

    at: float
    phase: str
    channel: Channel
    connection: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Draw:
    """Fresh randomness that a client took."""

    phase: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Read:
    """One read of the owner's data by the client: the field and the phase."""

    phase: str
    field: str


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection: its target, what TLS showed, all bytes sent on it, how often it was closed.

    `is_reset` says that it ended by a reset. `parameters` has an entry for each departure of TLS
    parameters.
    """

    index: int
    phase: str
    target: bytes
    data: bytes
    closes: int
    last_phase: str
    is_reset: bool
    parameters: tuple[bytes, ...]


@dataclass(frozen=True)
class Observation:
    """One run of one client.

    `received` and `far_end` hold an entry for each connection: what came back, and what the other
    end of the socket got; `far_end` is None when no sockets were used. `outcomes` has the decision
    that each poll reported: it did not leave the phone, but shows how far the polls got. `failures`
    has, by phase, the sentence of each poll that reported that it ended early. `nearest` holds for
    each connection the first address in the answer to the DNS question before it, as far as known.
    """

    departures: tuple[Departure, ...]
    draws: tuple[Draw, ...]
    reads: tuple[Read, ...]
    received: tuple[bytes, ...]
    far_end: tuple[bytes, ...] | None
    outcomes: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    nearest: tuple[str | None, ...] = ()

    def connections(self) -> tuple[Connection, ...]:
        """Gather the bytes of each connection in the order they were sent."""
        return self._connections

    @cached_property
    def _connections(self) -> tuple[Connection, ...]:
        # Every judge asks for them, and a run of a hundred days has thousands of departures.
        own: list[list[Departure]] = [[] for _ in self.received]
        for departure in self.departures:
            if 0 <= departure.connection < len(own):
                own[departure.connection].append(departure)
        return tuple(_gather(index, departures) for index, departures in enumerate(own))

    def questions(self) -> tuple[Departure, ...]:
        """List the DNS questions."""
        return tuple(d for d in self.departures if d.channel is Channel.DNS)


def _gather(index: int, departures: Sequence[Departure]) -> Connection:
    return Connection(
        index=index,
        phase=departures[0].phase,
        target=departures[0].data,
        data=b"".join(d.data for d in departures if d.channel is Channel.BYTES),
        closes=sum(d.channel is Channel.CLOSE for d in departures),
        last_phase=departures[-1].phase,
        is_reset=any(d.channel is Channel.CLOSE and d.data == RESET for d in departures),
        parameters=tuple(d.data for d in departures if d.channel is Channel.TLS),
    )
