"""Checks connections: their targets, their TLS parameters, their writes and their ends.

The rules are those of docs/PRIVACY.md. Phones are not compared: if all phones of a model break a
rule in the same way, comparing them shows nothing. One request is one write; on the network it is
one segment if it fits, and one record under TLS. A connection ends by FIN, never by a reset (RST).
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import sub
from typing import Final

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.trace.observation import RESET, Channel, Departure, Observation
from client_sim.world import Public

_END: Final = b"\r\n\r\n"
_RECORD: Final = re.compile(rb"([0-9]+):([0-9]+)")
_DATA: Final = b"23"
# Bytes that a record adds: in TLS 1.3 a type and a tag, in earlier versions 16 to 80 by cipher.
_SEAL: Final = 17
_SEALS: Final = range(16, 81)
_ALERT: Final = 2 + _SEAL


@dataclass(frozen=True, slots=True)
class Stray:
    """A departure to a place that no poll uses; `field` is what differs: name, port, TLS name."""

    departure: Departure
    explanation: str
    field: str


def find_strays(observation: Observation, public: Public) -> tuple[Stray, ...]:
    """Return departures that break the rules for names and targets.

    Only the host of the ROM image may be resolved and connected to. A name is resolved once per
    connection, one connection is open at a time, and it is closed in the poll that opened it. The
    address must be the first that the name resolved to, if that is known.
    """
    found: list[Stray] = []
    asked = 0
    still_open: Departure | None = None
    for departure in observation.departures:
        match departure.channel:
            case Channel.DNS:
                asked += 1
                if departure.data != public.host.encode():
                    words = f"the only name to resolve is {public.host}"
                    found.append(Stray(departure, words, "name"))
                elif asked > 1:
                    words = "a name may be resolved only once per connection"
                    found.append(Stray(departure, words, "number of questions"))
            case Channel.CONNECT:
                found += _strays_of_connect(departure, public, asked, still_open)
                found += _strays_of_address(departure, observation.nearest)
                asked, still_open = 0, departure
            case Channel.CLOSE:
                still_open = None
            case Channel.DETOUR:
                words = "everything that a client sends must go through the world that it is given"
                found.append(Stray(departure, words, "detour"))
            case Channel.SCHEDULE if still_open is not None:
                words = "the connection was not closed after the poll"
                found.append(Stray(still_open, words, "close"))
                still_open = None
            case _:
                pass
    return tuple(found)


def _strays_of_connect(
    departure: Departure, public: Public, asked: int, still_open: Departure | None
) -> Iterator[Stray]:
    port, _, name = departure.data.partition(b" ")[2].partition(b" ")
    if port != b"%d" % public.port:
        yield Stray(departure, f"the port is not the ROM's, {public.port}", "port")
    if name != (public.host if public.tls else "plain").encode():
        wanted = public.host if public.tls else "none"
        yield Stray(departure, f"the TLS name is not the ROM's, {wanted}", "TLS name")
    if asked == 0:
        yield Stray(
            departure, "the client connects to an address without resolving a name", "address"
        )
    if still_open is not None:
        yield Stray(departure, "a second connection at the same time", "connections")


def _strays_of_address(departure: Departure, nearest: Sequence[str | None]) -> Iterator[Stray]:
    wanted = dict(enumerate(nearest)).get(departure.connection)
    if wanted is not None and departure.data.partition(b" ")[0] != wanted.encode():
        words = f"the address is not the first that the name resolved to, {wanted}"
        yield Stray(departure, words, "address")


def judge_tls(observation: Observation, public: Public) -> tuple[Finding, ...]:
    """Find connections that name another host, offer another protocol or resume a session.

    Only runs over a network have TLS parameters to judge. RFC 8446 section 2.2 describes
    resumption, by which a server recognizes a client.
    """
    return tuple(
        finding
        for departure in observation.departures
        if departure.channel is Channel.TLS
        for finding in _judge(departure, public)
    )


def judge_handshakes(observation: Observation) -> tuple[Finding, ...]:
    """Find connections whose handshake differs from the phone's first, apart from randomness."""
    seen = [d for d in observation.departures if d.channel is Channel.TLS]
    return tuple(
        replace(
            _finding(each, "the handshake differs from that of the first connection", "handshake"),
            other=seen[0].data,
        )
        for each in seen[1:]
        if each.data != seen[0].data
    )


def _judge(departure: Departure, public: Public) -> Iterator[Finding]:
    told = _read(departure.data)
    if not public.tls:
        return
    expected = {
        "name": public.host,
        "protocols": "http/1.1",
        "resumes": "no",
        "early-data": "no",
    }
    for name, value in expected.items():
        if told.get(name) != value:
            words = f"{name} is {told.get(name, 'missing')}, not {value}"
            yield _finding(departure, words, name)


def _read(data: bytes) -> Mapping[str, str]:
    return dict(line.split(" ", 1) for line in data.decode("latin-1").split("\n") if " " in line)


def _finding(departure: Departure, explanation: str, field: str, where: str = "") -> Finding:
    return Finding(
        where=where or f"{departure.channel.value}, {departure.phase}",
        explanation=explanation,
        data=departure.data,
        offset=0,
        length=len(departure.data),
        channel=departure.channel.value,
        field=field,
    )


@dataclass(frozen=True, slots=True)
class Breach:
    """A write that is not exactly one request: its start, its length, and an explanation.

    `is_cut` is true if the write ends within a request.
    """

    offset: int
    length: int
    explanation: str
    is_cut: bool = False


def find_breaches(
    pieces: Sequence[int], ends: Sequence[int], *, word: str = "write", full: int | None = None
) -> Iterator[Breach]:
    """Yield the pieces that are not exactly one request.

    `pieces` are their lengths, and `ends` the offsets at which requests end. A piece of `full` or
    more bytes may end within a request. `word` names a piece in explanations.
    """
    at = 0
    for size in pieces:
        start, at = at, at + size
        if not size:
            yield Breach(start, 0, f"an empty {word}")
            continue
        first, stop = bisect_right(ends, start), bisect_left(ends, at)
        if stop > first:
            yield Breach(start, size, f"one {word} carries more than one request")
        is_within = stop < len(ends) and ends[stop] != at
        if is_within and (full is None or size < full):
            said = f"a request is split: this {word} ends in the middle of it"
            yield Breach(start, size, said, is_cut=True)


def find_ends(data: bytes) -> tuple[int, ...]:
    """Return where each request ends; an incomplete one at the end counts, too."""
    ends = [match.end() for match in re.finditer(_END, data)]
    if data and (not ends or ends[-1] < len(data)):
        ends.append(len(data))
    return tuple(ends)


def is_one_record_each(sizes: bytes, lengths: Sequence[int]) -> bool:
    """Return whether each request has its own TLS record, judged by their lengths.

    `sizes` lists the records as `TYPE:LENGTH`. In TLS 1.3 the record type of data also covers the
    Finished message of the handshake, and the alert that may close the connection.
    """
    data = [int(size) for kind, size in _RECORD.findall(sizes) if kind == _DATA]
    sealed = [length + _SEAL for length in lengths]
    if data[1:] in (sealed, [*sealed, _ALERT]):
        return True
    return len(data) == len(lengths) and all(seal in _SEALS for seal in map(sub, data, lengths))


def judge_writes(observation: Observation) -> tuple[Finding, ...]:
    """Find requests that are not one write each and, under TLS, one record each."""
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
                said = f"{len(lengths)} requests are not one TLS record each"
                found.append(_finding(carried, said, "records", where))
    return tuple(found)


def judge_ends(observation: Observation) -> tuple[Finding, ...]:
    """Find connections that ended by a reset: with unread bytes, or aborted."""
    return tuple(
        _finding(
            departure,
            "the connection ends by a reset (RST) instead of an orderly close (FIN)",
            "close",
            f"connection {departure.connection + 1}, {departure.phase}",
        )
        for departure in observation.departures
        if departure.channel is Channel.CLOSE and departure.data == RESET
    )
