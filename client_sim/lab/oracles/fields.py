"""Decodes each poll of a run into fields with values, which `cardinality` counts over a fleet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from client_sim.lab.oracles.language import RULES
from client_sim.lab.oracles.parts import Part, decode_parts
from client_sim.lab.trace.observation import Channel, Connection, Departure, Observation

_CHOSEN: Final = {"codename", "proof-codename", "package", "picture"}
_KINDS: Final = {
    "part": "part",
    "proof-part": "part",
    "codename": "codename",
    "proof-codename": "codename",
    "package": "package",
    "picture": "picture",
}
_CHANNELS: Final = {
    "names": Channel.DNS,
    "connections": Channel.CONNECT,
    "address": Channel.CONNECT,
    "port and TLS name": Channel.CONNECT,
    "TLS parameters": Channel.TLS,
    "close": Channel.CLOSE,
}
"""Channels of the fields of polls and connections; all other fields are bytes."""


@dataclass(frozen=True, slots=True)
class Field:
    """A value of a field: its place in the poll, its name, and the thing that has it (`of`)."""

    place: str
    name: str
    of: str
    value: bytes


def name_channel(name: str) -> str:
    """Return the channel that a field belongs to."""
    return _CHANNELS.get(name, Channel.BYTES).value


def decode_fields(observation: Observation) -> dict[int, tuple[Field, ...]]:
    """Return the fields of each poll of a run, by the poll's number.

    Requests are numbered within their connection. Requests that follow an owner's choice (an
    installation, a picture) are not numbered: each kind has one place, because phones choose at
    different times.
    """
    found: dict[int, list[Field]] = {}
    left: dict[str, list[Departure]] = {}
    for departure in observation.departures:
        left.setdefault(departure.phase, []).append(departure)
    connections: dict[str, list[Connection]] = {}
    for connection in observation.connections():
        connections.setdefault(connection.phase, []).append(connection)
    for phase, departures in left.items():
        if phase.startswith("poll "):
            own = connections.get(phase, [])
            found[int(phase.removeprefix("poll "))] = [*_of_poll(departures, own)]
    return {poll: tuple(fields) for poll, fields in found.items()}


def _of_poll(departures: Sequence[Departure], connections: Sequence[Connection]) -> Iterator[Field]:
    names = b" ".join(d.data for d in departures if d.channel is Channel.DNS)
    yield Field("", "names", "poll", names)
    yield Field("", "connections", "poll", b"%d" % len(connections))
    for number, connection in enumerate(connections, 1):
        place = f"connection {number}"
        own = [d for d in departures if d.connection == connection.index]
        tls = b"\n".join(d.data for d in own if d.channel is Channel.TLS)
        sent = [b"%d" % len(d.data) for d in own if d.channel is Channel.BYTES]
        address, _, target = connection.target.partition(b" ")
        yield Field(place, "address", "connection", address)
        yield Field(place, "port and TLS name", "connection", target)
        yield Field(place, "TLS parameters", "connection", tls)
        requests = _requests_once(connection.data)
        asked = [parts for kind, parts in requests if kind not in _CHOSEN]
        if len(asked) == len(requests):
            yield Field(place, "pieces", "connection", b" ".join(sent))
        ending = b"with the poll" if connection.last_phase == connection.phase else b"later"
        how = b" by a reset" if connection.is_reset else b""
        yield Field(place, "close", "connection", b"%d %s%s" % (connection.closes, ending, how))
        yield Field(place, "requests", "poll", b"%d" % len(asked))
        for place_of, kind, parts in _places(place, requests):
            yield from _of_request(place_of, _KINDS.get(kind, "request"), parts)


def _requests(data: bytes) -> tuple[tuple[str, Sequence[Part]], ...]:
    requests: dict[int, list[Part]] = {}
    for part in decode_parts(data):
        requests.setdefault(part.request, []).append(part)
    return tuple((_kind(parts), parts) for parts in requests.values())


_requests_once: Final = lru_cache(maxsize=256)(_requests)  # all phones of a fleet send the same


def _kind(parts: Sequence[Part]) -> str:
    path = next((part.data for part in parts if part.name == "path"), b"")
    return next((rule.name for rule in RULES if rule.path.fullmatch(path)), "")


def _places(
    place: str, requests: Sequence[tuple[str, Sequence[Part]]]
) -> Iterator[tuple[str, str, Sequence[Part]]]:
    number = 0
    for kind, parts in requests:
        number += kind not in _CHOSEN
        yield (kind if kind in _CHOSEN else f"{place}, request {number}"), kind, parts


def _of_request(place: str, of: str, parts: Sequence[Part]) -> Iterator[Field]:
    names = [part.data for part in parts if part.name == "header name"]
    yield Field(place, "header names", of, b", ".join(names))
    for part in parts:
        if part.name != "header name":
            yield Field(place, part.name, of, part.data)
