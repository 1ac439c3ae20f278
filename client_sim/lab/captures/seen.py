"""What the readers of captures make of them, whatever the format, and the trace that oracles read.

Nothing that left is left out of the trace: what is neither a question nor of a connection, what
contradicts other bytes and what stands next to a question are departures of their own. Names asked
for over TCP are questions, and the connections that carried them are none. Of a connection that
cannot be read there is no byte, only what the network saw of it. The phase of a departure is its
place in the capture, as nothing says which poll it belongs to. What only an audit uses, such as
gaps and whether there were keys, is not in the trace.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from client_sim.lab.trace.hello import ClientHello, Wire
from client_sim.lab.trace.observation import RESET, Channel, Departure, Observation


class State(StrEnum):
    """How much of a connection's bytes can be judged."""

    PLAIN = "plain"
    DECRYPTED = "decrypted"
    ENCRYPTED = "encrypted"
    SILENT = "silent"
    NAMES = "names"


READABLE: Final = frozenset({State.PLAIN, State.DECRYPTED})
"""States in which requests can be read."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One connection: `data` are what left the phone on it, before TLS where that is known.

    `target` is `ADDRESS PORT TLS-NAME`, empty where nothing says it. `frame` is the number of its
    first frame, 0 where the format has none. `pieces` says when which part of the bytes left (epoch
    seconds, length), `segments` how long each segment on the wire was, TLS included. `closed` says
    when the phone closed, by a reset where `is_reset` says so, and `wire` what the network saw.
    `name` is the host that the format itself says was contacted. `gaps` are sentences about what is
    missing, `odd` bytes that contradict others, each with a label, `readings` what another program
    makes of the bytes.
    """

    where: str
    target: bytes
    frame: int
    at: float
    data: bytes
    state: State
    near: str = ""
    name: bytes | None = None
    hello: ClientHello | None = None
    wire: Wire | None = None
    pieces: tuple[tuple[float, int], ...] = ()
    segments: tuple[int, ...] = ()
    closed: float | None = None
    is_reset: bool = False
    gaps: tuple[str, ...] = ()
    odd: tuple[tuple[str, bytes], ...] = ()
    readings: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A name that was asked for: where, its spelling, the rest of its message, and when."""

    where: str
    name: bytes
    kind: int
    extra: bytes
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Loose:
    """Traffic that is neither a connection nor a question: `data` are all that it carried.

    `at` is when it began.
    """

    label: str
    where: str
    frames: int
    data: bytes
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Capture:
    """All of it. `addresses` are those that answers gave for a name, in small letters.

    `passed` counts frames that are not judged by what they are, such as ARP; `others` those that
    are neither to nor from the phone. `notes` are sentences about what the format cannot show.
    """

    form: str
    conversations: tuple[Conversation, ...]
    asked: tuple[Asked, ...] = ()
    loose: tuple[Loose, ...] = ()
    addresses: Mapping[bytes, frozenset[str]] = field(default_factory=dict)
    passed: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)
    frames: int = 0
    notes: tuple[str, ...] = ()


def observe_capture(capture: Capture) -> Observation:
    """Return the trace of a capture, by time; its connections are those of `list_talks`.

    There is no randomness, no outcome and no byte of answers in it.
    """
    talks = list_talks(capture)
    departures = [each for index, talk in enumerate(talks) for each in _connect(index, talk)]
    for asked in capture.asked:
        departures += _ask(asked)
    for talk in capture.conversations:
        departures += _beside(talk)
    for loose in capture.loose:
        label = f"{loose.label}, {loose.where}".removesuffix(", ")
        departures.append(Departure(loose.at, label, Channel.OTHER, -1, loose.data))
    # The sort keeps the order of what left at the same time, and so of a connection.
    departures.sort(key=lambda departure: departure.at)
    nothing = (b"",) * len(talks)
    return Observation(tuple(departures), (), (), nothing, None)


def list_talks(capture: Capture) -> tuple[Conversation, ...]:
    """Return the connections of a capture that ask for no names."""
    return tuple(talk for talk in capture.conversations if talk.state is not State.NAMES)


def _connect(index: int, talk: Conversation) -> Iterator[Departure]:
    at = talk.at

    def leave(channel: Channel, data: bytes) -> Departure:
        return Departure(at, talk.where, channel, index, data)

    yield leave(Channel.CONNECT, talk.target)
    if talk.wire is not None:
        yield leave(Channel.TLS, talk.wire.parameters)
        yield leave(Channel.SIZES, talk.wire.sizes)
    if talk.state is not State.ENCRYPTED:
        start = 0
        for when, size in talk.pieces or ((talk.at, len(talk.data)),):
            at = max(at, when)  # clocks are set back, and captures may be made up
            if size:
                yield leave(Channel.BYTES, talk.data[start : start + size])
            start += size
    if talk.closed is not None:
        at = max(at, talk.closed)
        yield leave(Channel.CLOSE, RESET if talk.is_reset else b"")


def _ask(asked: Asked) -> Iterator[Departure]:
    yield Departure(asked.at, asked.where, Channel.DNS, -1, asked.name)
    if asked.extra:
        where = f"bytes beside a question, {asked.where}"
        yield Departure(asked.at, where, Channel.OTHER, -1, asked.extra)


def _beside(talk: Conversation) -> Iterator[Departure]:
    """Yield what a connection sent besides its bytes."""
    told = [(f"{talk.where}, {label}", data) for label, data in (*talk.odd, *talk.readings)]
    if talk.hello is not None and talk.hello.session:
        told.append((f"session of {talk.where}", talk.hello.session))
    for where, data in told:
        yield Departure(talk.at, where, Channel.OTHER, -1, data)
