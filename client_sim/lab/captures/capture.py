"""The content of a capture, independent of its format, and its conversion to a trace for oracles.

- The trace contains everything that left. Traffic outside questions and connections, bytes that
  contradict others, and extra bytes of a DNS question are departures of their own.
- DNS over TCP becomes questions, not connections.
- A connection that cannot be read has no bytes in the trace, only what the network saw of it.
- The phase of a departure is its position in the capture, because its poll is unknown.
- Facts that only an audit uses, such as gaps and the presence of keys, are not in the trace.
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
    """One connection; `data` is what left the phone, decrypted if the keys are known.

    - `target` is `ADDRESS PORT TLS-NAME`, or empty if unknown.
    - `frame` is the number of its first frame, or 0 if the format has none.
    - `pieces` are the times and lengths of the parts of `data` (epoch seconds, bytes).
    - `segments` are the lengths of the segments on the wire, including TLS.
    - `closed` is the time when the phone closed the connection, and `is_reset` says whether it did
      so by a reset.
    - `wire` is what the network saw.
    - `name` is the contacted host according to the format itself.
    - `gaps` are sentences about missing bytes.
    - `odd` are bytes that contradict others, each with a label.
    - `readings` are another program's interpretations of the bytes, each with a label.
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
    """A DNS question: its position, the name as spelled, its type, other bytes, and its time."""

    where: str
    name: bytes
    kind: int
    extra: bytes
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Loose:
    """Traffic that is neither a connection nor a question; `data` is all of its content.

    `at` is the time of its first frame.
    """

    label: str
    where: str
    frames: int
    data: bytes
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Capture:
    """The content of a capture.

    `addresses` maps names, in lower case, to the addresses in DNS answers. `passed` counts frames
    of kinds that are not judged, such as ARP. `others` counts frames that are neither to nor from
    the phone. `notes` are sentences about what the format cannot show.
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
    """Return the trace of a capture, ordered by time; its connections are those of `list_talks`.

    It has no randomness, no outcomes and no bytes of answers.
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
    # The sort is stable, so departures at the same time keep their order within a connection.
    departures.sort(key=lambda departure: departure.at)
    nothing = (b"",) * len(talks)
    return Observation(tuple(departures), (), (), nothing, None)


def list_talks(capture: Capture) -> tuple[Conversation, ...]:
    """Return the connections of a capture except those of DNS over TCP."""
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
            at = max(at, when)  # times may decrease: clocks are set back, captures may be forged
            if size:
                yield leave(Channel.BYTES, talk.data[start : start + size])
            start += size
    if talk.closed is not None:
        at = max(at, talk.closed)
        yield leave(Channel.CLOSE, RESET if talk.is_reset else b"")


def _ask(asked: Asked) -> Iterator[Departure]:
    yield Departure(asked.at, asked.where, Channel.DNS, -1, asked.name)
    if asked.extra:
        where = f"extra bytes of a DNS question, {asked.where}"
        yield Departure(asked.at, where, Channel.OTHER, -1, asked.extra)


def _beside(talk: Conversation) -> Iterator[Departure]:
    """Yield a connection's contradicting bytes, its other readings, and its TLS session id."""
    told = [(f"{talk.where}, {label}", data) for label, data in (*talk.odd, *talk.readings)]
    if talk.hello is not None and talk.hello.session:
        told.append((f"session of {talk.where}", talk.hello.session))
    for where, data in told:
        yield Departure(talk.at, where, Channel.OTHER, -1, data)
