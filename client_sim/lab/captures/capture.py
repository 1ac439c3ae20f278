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
    - `contradictions` are bytes that contradict others, each with a label.
    - `readings` are another program's interpretations of the bytes, each with a label.
    """

    where: str
    target: bytes
    frame: int
    at: float
    data: bytes
    state: State
    local: str = ""
    name: bytes | None = None
    hello: ClientHello | None = None
    wire: Wire | None = None
    pieces: tuple[tuple[float, int], ...] = ()
    segments: tuple[int, ...] = ()
    closed: float | None = None
    is_reset: bool = False
    gaps: tuple[str, ...] = ()
    contradictions: tuple[tuple[str, bytes], ...] = ()
    readings: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class DnsQuestion:
    """A DNS question: its position, the name as spelled, its type, other bytes, and its time."""

    where: str
    name: bytes
    kind: int
    extra: bytes
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class OtherTraffic:
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

    `addresses` maps names, in lower case, to the addresses in DNS answers. `ignored` counts frames
    of kinds that are not judged, such as ARP. `others` counts frames that are neither to nor from
    the phone. `notes` are sentences about what the format cannot show.
    """

    form: str
    conversations: tuple[Conversation, ...]
    dns_questions: tuple[DnsQuestion, ...] = ()
    other_traffic: tuple[OtherTraffic, ...] = ()
    addresses: Mapping[bytes, frozenset[str]] = field(default_factory=dict)
    ignored: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)
    frames: int = 0
    notes: tuple[str, ...] = ()


def observe_capture(capture: Capture) -> Observation:
    """Return the trace of a capture, ordered by time.

    Its connections are those of `list_conversations`.

    It has no randomness, no outcomes and no bytes of answers.
    """
    conversations = list_conversations(capture)
    departures = [
        each
        for index, conversation in enumerate(conversations)
        for each in _connect(index, conversation)
    ]
    for question in capture.dns_questions:
        departures += _query(question)
    for conversation in capture.conversations:
        departures += _extra_bytes(conversation)
    for traffic in capture.other_traffic:
        label = f"{traffic.label}, {traffic.where}".removesuffix(", ")
        departures.append(Departure(traffic.at, label, Channel.OTHER, -1, traffic.data))
    # The sort is stable, so departures at the same time keep their order within a connection.
    departures.sort(key=lambda departure: departure.at)
    nothing = (b"",) * len(conversations)
    return Observation(tuple(departures), (), (), nothing, None)


def list_conversations(capture: Capture) -> tuple[Conversation, ...]:
    """Return the connections of a capture except those of DNS over TCP."""
    return tuple(
        conversation
        for conversation in capture.conversations
        if conversation.state is not State.NAMES
    )


def _connect(index: int, conversation: Conversation) -> Iterator[Departure]:
    at = conversation.at

    def make_departure(channel: Channel, data: bytes) -> Departure:
        return Departure(at, conversation.where, channel, index, data)

    yield make_departure(Channel.CONNECT, conversation.target)
    if conversation.wire is not None:
        yield make_departure(Channel.TLS, conversation.wire.parameters)
        yield make_departure(Channel.SIZES, conversation.wire.sizes)
    if conversation.state is not State.ENCRYPTED:
        start = 0
        for when, size in conversation.pieces or ((conversation.at, len(conversation.data)),):
            at = max(at, when)  # times may decrease: clocks are set back, captures may be forged
            if size:
                yield make_departure(Channel.BYTES, conversation.data[start : start + size])
            start += size
    if conversation.closed is not None:
        at = max(at, conversation.closed)
        yield make_departure(Channel.CLOSE, RESET if conversation.is_reset else b"")


def _query(question: DnsQuestion) -> Iterator[Departure]:
    yield Departure(question.at, question.where, Channel.DNS, -1, question.name)
    if question.extra:
        where = f"extra bytes of a DNS question, {question.where}"
        yield Departure(question.at, where, Channel.OTHER, -1, question.extra)


def _extra_bytes(conversation: Conversation) -> Iterator[Departure]:
    """Yield a connection's contradicting bytes, its other readings, and its TLS session id."""
    extra = [
        (f"{conversation.where}, {label}", data)
        for label, data in (*conversation.contradictions, *conversation.readings)
    ]
    if conversation.hello is not None and conversation.hello.session:
        extra.append((f"session of {conversation.where}", conversation.hello.session))
    for where, data in extra:
        yield Departure(conversation.at, where, Channel.OTHER, -1, data)
