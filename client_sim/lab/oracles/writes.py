"""How a connection is written and ended, judged by docs/PRIVACY.md and not by other phones.

One request is one write, on the network one segment where it fits, and under TLS one record. A
connection ends in order (FIN), never by a reset (RST). Phones of one machine may break either rule
all alike, so comparing them shows nothing.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import sub
from typing import Final

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.trace.observation import RESET, Channel, Departure, Observation

_END: Final = b"\r\n\r\n"
_RECORD: Final = re.compile(rb"([0-9]+):([0-9]+)")
_DATA: Final = b"23"
# Bytes that a record adds: in TLS 1.3 a type and a tag, before it what its cipher takes.
_SEAL: Final = 17
_SEALS: Final = range(16, 81)
_ALERT: Final = 2 + _SEAL


@dataclass(frozen=True, slots=True)
class Breach:
    """A write that is not one request: where it begins, its length, and what is wrong with it.

    `is_cut` says that it ends in the middle of a request.
    """

    offset: int
    length: int
    explanation: str
    is_cut: bool = False


def find_breaches(
    pieces: Sequence[int], ends: Sequence[int], *, word: str = "write", full: int | None = None
) -> Iterator[Breach]:
    """Compare the lengths of what was sent with where requests end, both from the beginning on.

    A piece of `full` bytes or more has no room for the rest and may end within a request. `word`
    is what a piece is called.
    """
    at = 0
    for size in pieces:
        start, at = at, at + size
        if not size:
            yield Breach(start, 0, f"a {word} without a byte")
            continue
        first, stop = bisect_right(ends, start), bisect_left(ends, at)
        if stop > first:
            yield Breach(start, size, f"one {word} carries more than one request")
        is_within = stop < len(ends) and ends[stop] != at
        if is_within and (full is None or size < full):
            said = f"a request is cut: this {word} ends in the midst of it"
            yield Breach(start, size, said, is_cut=True)


def find_ends(data: bytes) -> tuple[int, ...]:
    """Return where each request ends; what follows the last whole one counts as one."""
    ends = [match.end() for match in re.finditer(_END, data)]
    if data and (not ends or ends[-1] < len(data)):
        ends.append(len(data))
    return tuple(ends)


def is_one_record_each(sizes: bytes, lengths: Sequence[int]) -> bool:
    """Return whether each request is in a record of its own, by the lengths of both.

    `sizes` are `TYPE:LENGTH` of the records. In TLS 1.3 the end of the handshake has the type of
    data, too, and so has the alert that may say that all is over.
    """
    data = [int(size) for kind, size in _RECORD.findall(sizes) if kind == _DATA]
    sealed = [length + _SEAL for length in lengths]
    if data[1:] in (sealed, [*sealed, _ALERT]):
        return True
    return len(data) == len(lengths) and all(seal in _SEALS for seal in map(sub, data, lengths))


def judge_writes(observation: Observation) -> tuple[Finding, ...]:
    """Find requests that are not one write each, and under TLS not one record each."""
    sizes = {d.connection: d for d in observation.departures if d.channel is Channel.SIZES}
    pieces: dict[int, list[int]] = {}
    for departure in observation.departures:
        if departure.channel is Channel.BYTES:
            pieces.setdefault(departure.connection, []).append(len(departure.data))
    found: list[Finding] = []
    for connection in observation.connections():
        ends = find_ends(connection.data)
        where = f"connection {connection.index + 1}, {connection.phase}"
        breaches = [*find_breaches(pieces.get(connection.index, ()), ends)]
        found += [
            Finding(
                *(where, breach.explanation, connection.data, breach.offset, breach.length),
                channel=Channel.BYTES.value,
                field="pieces",
            )
            for breach in breaches
        ]
        carried = sizes.get(connection.index)
        if carried is not None and not breaches and _RECORD.match(carried.data):
            lengths = [end - start for start, end in pairwise((0, *ends))]
            if not is_one_record_each(carried.data, lengths):
                said = f"{len(lengths)} requests are not in one record of TLS each"
                found.append(_finding(carried, where, said, "records"))
    return tuple(found)


def judge_ends(observation: Observation) -> tuple[Finding, ...]:
    """Find connections that ended by a reset: unread bytes were left, or the connection was cut."""
    return tuple(
        _finding(
            departure,
            f"connection {departure.connection + 1}, {departure.phase}",
            "the connection ends by a reset, with an answer unread, where an end in order belongs",
            "close",
        )
        for departure in observation.departures
        if departure.channel is Channel.CLOSE and departure.data == RESET
    )


def _finding(departure: Departure, where: str, explanation: str, field: str) -> Finding:
    data = departure.data
    return Finding(
        *(where, explanation, data, 0, len(data)),
        channel=departure.channel.value,
        field=field,
    )
