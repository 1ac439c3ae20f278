"""Compares traces byte by byte: two phones must send exactly the same.

A difference is named by the field in which it begins.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.parts import Part, decode_parts, find_part
from client_sim.lab.trace.observation import Channel, Connection, Departure, Observation

_TIMED = {Channel.SCHEDULE, Channel.DUE}
_SHOWN = 32  # bytes of a difference that a finding points at
_TARGET: Final = ("address", "port", "TLS name")


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference between two traces in one channel.

    `where` names the phase and the connection, and `field` the part of the message. `first` and
    `second` are the whole byte strings of both sides, which are equal up to `offset`.
    """

    channel: str
    where: str
    offset: int
    first: bytes
    second: bytes
    field: str


def judge_equality(
    one: Observation, other: Observation, whose: str, *, with_time: bool
) -> tuple[Finding, ...]:
    """Find where a second run, called `whose` in the finding, differs from the first.

    For `with_time` see `find_differences`.
    """
    return tuple(
        Finding(
            where=f"{found.channel}, {found.where}",
            explanation=f"{whose} differs from byte {found.offset} on, in {found.field}",
            data=found.first,
            offset=found.offset,
            length=min(max(len(found.first), len(found.second)) - found.offset, _SHOWN),
            other=found.second,
            channel=found.channel,
            field=found.field,
        )
        for found in find_differences(one, other, with_time=with_time)
    )


def find_differences(
    one: Observation, other: Observation, *, with_time: bool
) -> tuple[Difference, ...]:
    """Compare everything that was sent in two runs; empty if nothing differs.

    With `with_time` both phones have the same randomness and clock, and all departures must be
    equal, including their times and the due times of polls. Without it, times may differ.
    """
    first = _comparable(one, with_time=with_time)
    second = _comparable(other, with_time=with_time)
    if first == second:
        return ()
    found = tuple(_by_connection(one, other))
    if found:
        return found
    return (_by_departure(first, second),)


def _comparable(observation: Observation, *, with_time: bool) -> list[Departure]:
    if with_time:
        return list(observation.departures)
    return [
        Departure(0.0, d.phase, d.channel, d.connection, d.data)
        for d in observation.departures
        if d.channel not in _TIMED
    ]


def _by_connection(one: Observation, other: Observation) -> Iterator[Difference]:
    """Compare names, then target, TLS parameters and bytes of each connection."""
    yield from _pair(Channel.DNS, "all names", _names(one), _names(other))
    pairs = zip_longest(one.connections(), other.connections())
    for number, (a, b) in enumerate(pairs, 1):
        there = a or b
        assert there is not None
        where = f"connection {number}, {there.phase}"
        targets = (a.target if a else b"", b.target if b else b"")
        yield from _pair(Channel.CONNECT, where, *targets)
        yield from _pair(Channel.TLS, where, _tls(a), _tls(b))
        yield from _pair(Channel.BYTES, where, a.data if a else b"", b.data if b else b"")


def _names(observation: Observation) -> bytes:
    return b"\n".join(question.data for question in observation.questions())


def _tls(connection: Connection | None) -> bytes:
    return b"\n".join(connection.parameters if connection else ())


def _pair(channel: Channel, where: str, first: bytes, second: bytes) -> Iterator[Difference]:
    if first != second:
        offset = _common(first, second)
        field = name_place(channel, first, second, offset)
        yield Difference(channel.value, where, offset, first, second, field)


def _by_departure(first: Sequence[Departure], second: Sequence[Departure]) -> Difference:
    """Return the first departure that differs if every connection carries the same bytes.

    It differs in the time of a write or a close, in the pieces written, or in the next due time.
    """
    a, b = next((a, b) for a, b in zip_longest(first, second) if a != b)
    there = a or b
    assert there is not None
    ours, theirs = _describe(a), _describe(b)
    field = _name_event(a, b) if a and b else "number of events"
    offset = _common(ours, theirs)
    return Difference(there.channel.value, there.phase, offset, ours, theirs, field)


def _name_event(first: Departure, second: Departure) -> str:
    if (first.channel, first.phase) != (second.channel, second.phase):
        return "order of events"
    if first.data == second.data:
        return "time"
    if first.channel in _TIMED:
        return "due time"
    return "pieces" if first.channel is Channel.BYTES else "name"


def _describe(departure: Departure | None) -> bytes:
    if departure is None:
        return b""
    head = f"{departure.at!r} {departure.phase} {departure.channel.value} "
    return head.encode() + departure.data


def _common(first: bytes, second: bytes) -> int:
    shorter = min(len(first), len(second))
    return next((at for at in range(shorter) if first[at] != second[at]), shorter)


def name_place(channel: Channel, first: bytes, second: bytes, offset: int) -> str:
    """Return the name of the field at an offset, up to which both strings are equal.

    In bytes this is the number of the request with `path`, `query`, `header order`, `header Host
    value`, `body` or another part; in a target `address`, `port` or `TLS name`; in a question
    `name`; in TLS parameters the first word of the line.
    """
    match channel:
        case Channel.BYTES:
            return _name_of_bytes(first, second, offset)
        case Channel.CONNECT:
            return _TARGET[min(first[:offset].count(b" "), 2)]
        case Channel.TLS:
            line = first[:offset].rfind(b"\n") + 1
            return ((first or second)[line:].split() or [b""])[0].decode("latin-1")
        case Channel.DNS:
            return "name"
        case _:
            return channel.value


def _name_of_bytes(first: bytes, second: bytes, offset: int) -> str:
    # If one side has ended, the rest of the other side is the difference.
    longer, shorter = (second, first) if offset >= len(first) else (first, second)
    part = find_part(longer, offset)
    if part is None or (offset == part.offset >= len(shorter) and part.name == "method"):
        return "number of requests"
    ours, theirs = _headers(longer, part), _headers(shorter, part)
    if ours != theirs and sorted(ours) == sorted(theirs):
        return f"request {part.request}, header order"
    return f"request {part.request}, {part.name}"


def _headers(data: bytes, part: Part) -> list[bytes]:
    parts = decode_parts(data)
    return [p.data for p in parts if p.request == part.request and p.name == "header name"]
