"""The trace that all oracles read: everything that left a client during one run, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Final

RESET: Final = b"reset"
"""The `data` of a close that resets the connection; that of an orderly close is empty."""


class Channel(StrEnum):
    """The channels by which data or information leaves a phone."""

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
    """One item that left the phone: its time (epoch seconds), phase, channel and content.

    `phase` is a step of a scenario, or the position in a capture. `connection` counts from 0 in the
    order of connecting and is -1 for an item without a connection. `data` depends on the channel:

    - `BYTES`: the bytes of one send call, or of one segment in a capture.
    - `DNS`: the name in the question.
    - `CONNECT`: `ADDRESS PORT TLS-NAME`.
    - `TLS`, `SIZES`: as in `Wire`.
    - `SCHEDULE`: the due time of the next poll; `DUE` if it changed or is the first after a reset.
    - `DETOUR`: the attempt outside the world.
    - `CRASH`: the name of the exception.
    - `CLOSE`: `RESET` or nothing.
    """

    at: float
    phase: str
    channel: Channel
    connection: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Draw:
    """Random bytes that a client drew."""

    phase: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Read:
    """One read of the owner's data by the client: the field and the phase."""

    phase: str
    field: str


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection: its target, its TLS parameters, all bytes sent, and the number of closes.

    `is_reset` says whether it ended by a reset. `parameters` has an entry for each departure of the
    TLS channel.
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

    - `received` and `far_end` have an entry for each connection: the bytes that the client
      received, and the bytes that the other end of the socket received. `far_end` is None if no
      sockets were used.
    - `outcomes` has the decision that each poll reported. It did not leave the phone, but shows how
      far the polls got.
    - `failures` maps phases to the sentence of each poll that reported that it ended early.
    - `nearest` has for each connection the first address in the preceding DNS answer, if known.
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
        """Return the connections, each with its bytes in the order in which they were sent."""
        return self._connections

    @cached_property
    def _connections(self) -> tuple[Connection, ...]:
        # Cached, because every judge needs them and a long run has thousands of departures.
        own: list[list[Departure]] = [[] for _ in self.received]
        for departure in self.departures:
            if 0 <= departure.connection < len(own):
                own[departure.connection].append(departure)
        return tuple(_gather(index, departures) for index, departures in enumerate(own))

    def questions(self) -> tuple[Departure, ...]:
        """Return the DNS questions."""
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
