"""Findings about captured bytes: a window of them, covered where they may be personal."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from client_sim.lab.errors import CaptureError
from client_sim.lab.oracles.canary import CanarySearch, Sighting
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.parts import join_fields
from client_sim.lab.trace.observation import Channel, Departure, Observation

COVER: Final = b"*"
# What identifiers look like: addresses of people, digits with separators, runs of a base-16,
# base-32 or base-64 alphabet that have a digit in them. Words stay readable.
_LOOKS_PERSONAL: Final = re.compile(
    rb"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}"
    rb"|[^\s@&=:;,/]{1,64}(?:@|%40)[^\s&=;,/]{1,255}"
    rb"|(?:\+|%2[Bb])?[0-9](?:[0-9. :-]|%2[0dDeE]){4,40}[0-9]"
    rb"|(?=[A-Za-z+_%-]{0,40}[0-9])[A-Za-z0-9+_%-]{12,}={0,2}"
)
_KEPT: Final = re.compile(rb"[0-9a-f]{64}\.[A-Za-z0-9._-]+\.zip|[1-9][0-9]{0,15}\.root\.json")

KEPT: Final = 50
"""Findings of one check that are shown; the others are counted."""

_AROUND: Final = 48  # bytes that are shown on both sides
_MOST: Final = 256  # bytes of one finding that are shown
_MARGIN: Final = 512  # bytes beyond, which say what those at the edge are part of
_LINES_LIMIT: Final = 1_000_000  # of connections, of which each may be a field
_SEARCHED: Final = {
    Channel.DNS: "name asked for",
    Channel.CONNECT: "target",
    Channel.TLS: "client hello",
    Channel.OTHER: "",  # is named already
}


def redact(data: bytes, found: Iterable[tuple[int, int]]) -> bytes:
    """Cover what was found (offset, length) and whatever looks like an identifier.

    The result has the same length, so that offsets stay what they are.
    """
    covered = bytearray(data)
    kept = {place for match in _KEPT.finditer(data) for place in range(*match.span())}
    for match in _LOOKS_PERSONAL.finditer(data):
        if match.start() not in kept:
            covered[match.start() : match.end()] = COVER * len(match[0])
    for offset, length in found:
        start = max(0, offset)
        stop = max(start, min(len(data), offset + length))
        covered[start:stop] = COVER * (stop - start)
    return bytes(covered)


def show_value(value: bytes, *, personal: bool) -> str:
    """Return a value for a sentence: as it is, or how long it is."""
    if personal:
        return value.decode("utf-8", "backslashreplace")
    return f"[{len(value)} bytes, not shown]"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A finding and where it stands: `offset` counts from the beginning of all bytes there.

    `finding.data` are a window of them, `finding.offset` is a place in that window.
    """

    finding: Finding
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Place:
    """Bytes that left the phone, where, and which known values stand in them."""

    where: str
    data: bytes
    sightings: tuple[Sighting, ...] = ()

    def evidence(self, explanation: str, offset: int, length: int, *, personal: bool) -> Evidence:
        """Make a finding about some of the bytes."""
        start = max(0, offset - _AROUND)
        shown = min(length, _MOST)
        stop = min(len(self.data), offset + shown + _AROUND)
        window = self.data[start:stop] if personal else self._covered(start, stop)
        return Evidence(
            Finding(self.where, explanation, window, offset - start, shown), offset, length
        )

    def _covered(self, start: int, stop: int) -> bytes:
        # What is cut off at the edge of the window may look like a word.
        first = max(0, start - _MARGIN)
        found = [
            (s.offset - first, len(self.data) if _is_decoded(s) else len(s.data))
            for s in self.sightings
        ]
        covered = redact(self.data[first : stop + _MARGIN], found)
        return covered[start - first : stop - first]


def list_places(seen: Observation, search: CanarySearch | None) -> tuple[Place, ...]:
    """Return all bytes that left and can be read, each with the known values that were found.

    What was split over fields, requests or names is looked for where nothing is found in one piece.
    """
    if search is None:
        return tuple(Place(where, data) for where, data in _all_bytes(seen))
    # Polls repeat each other, and a search takes seconds.
    find = cache(lambda data: _outermost(search.search(data)))
    places = tuple(Place(where, data, find(data)) for where, data in _all_bytes(seen))
    if any(place.sightings for place in places):
        return places
    lines = sum(connection.data.count(b"\n") for connection in seen.connections())
    if lines > _LINES_LIMIT:
        raise CaptureError(
            f"more than {_LINES_LIMIT} lines left the phone, which are too many to be put together:"
            " cut the capture into parts"
        )
    joined = (Place(_cover(where), data, find(data)) for where, data in join_fields(seen))
    return (*places, *(place for place in joined if place.sightings))


def _cover(where: str) -> str:
    """Cover what may be a value in the name of a field, which the client chose."""
    return redact(where.encode(), ()).decode("utf-8", "replace")


def _all_bytes(seen: Observation) -> Iterator[tuple[str, bytes]]:
    for connection in seen.connections():
        yield connection.phase, connection.data
    for departure in seen.departures:
        if departure.channel in _SEARCHED:
            yield name_place(departure), departure.data


def name_place(departure: Departure) -> str:
    """Say what left, and where that stands in the capture."""
    named = _SEARCHED.get(departure.channel, "")
    return f"{named}, {departure.phase}" if named else departure.phase


def _outermost(found: tuple[Sighting, ...]) -> tuple[Sighting, ...]:
    """Leave out what lies within a longer reading of its field: spellings have parts in common."""
    kept: list[Sighting] = []
    for sighting in sorted(found, key=lambda s: (s.field, s.offset, -len(s.data))):
        last = kept[-1] if kept else None
        if last is not None and last.field == sighting.field:
            stop = sighting.offset + len(sighting.data)
            if stop <= last.offset + len(last.data):
                continue
        kept.append(sighting)
    return tuple(sorted(kept, key=lambda s: (s.offset, s.field)))


def _is_decoded(sighting: Sighting) -> bool:
    """Return whether the bytes that were found are not those that stand at the offset."""
    return any(step.startswith("undone by ") for step in sighting.chain)
