"""Equality of traces, octet for octet: what two phones show must not differ by one bit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from client_sim.lab.trace.observation import Channel, Departure, Observation

_TIMED = {Channel.SCHEDULE}


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where two traces part in one channel.

    `where` names phase and connection; `first` and `second` are the whole octet strings of both
    sides, which are equal up to `offset`.
    """

    channel: str
    where: str
    offset: int
    first: bytes
    second: bytes


def find_differences(
    one: Observation, other: Observation, *, with_time: bool
) -> tuple[Difference, ...]:
    """Compare everything that left in two runs; empty when nothing differs.

    With `with_time`, as two phones of the same randomness and clock: all departures are equal,
    their times and the due times of polls included. Without, as any two phones of the fleet: the
    same, but for the times.
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
        Departure(0.0, d.phase, d.channel, d.connection, d.octets)
        for d in observation.departures
        if d.channel not in _TIMED
    ]


def _by_connection(one: Observation, other: Observation) -> Iterator[Difference]:
    """Compare channel by channel: names, targets, octets of each connection, how it was closed."""
    yield from _pair("dns question", "all names", _names(one), _names(other))
    ours, theirs = one.connections(), other.connections()
    for index in range(max(len(ours), len(theirs))):
        a = ours[index] if index < len(ours) else None
        b = theirs[index] if index < len(theirs) else None
        there = a or b
        where = f"connection {index + 1}" + (f", {there.phase}" if there else "")
        yield from _pair("connect target", where, a.target if a else b"", b.target if b else b"")
        yield from _pair("octets", where, a.octets if a else b"", b.octets if b else b"")


def _names(observation: Observation) -> bytes:
    return b"\n".join(question.octets for question in observation.questions())


def _pair(channel: str, where: str, first: bytes, second: bytes) -> Iterator[Difference]:
    if first != second:
        yield Difference(channel, where, _common(first, second), first, second)


def _by_departure(first: Sequence[Departure], second: Sequence[Departure]) -> Difference:
    """Name the first departure that differs though every connection carries the same octets.

    That is: when something was sent or closed, how it was cut into pieces, when the next poll is.
    """
    for a, b in zip(first, second, strict=False):
        if a != b:
            ours, theirs = _describe(a), _describe(b)
            return Difference(a.channel.value, a.phase, _common(ours, theirs), ours, theirs)
    longer = first if len(first) > len(second) else second
    extra = longer[min(len(first), len(second))]
    ours, theirs = (_describe(extra), b"") if longer is first else (b"", _describe(extra))
    return Difference(extra.channel.value, extra.phase, 0, ours, theirs)


def _describe(departure: Departure) -> bytes:
    head = f"{departure.at!r} {departure.phase} {departure.channel.value} "
    return head.encode() + departure.octets


def _common(first: bytes, second: bytes) -> int:
    for offset, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return offset
    return min(len(first), len(second))
