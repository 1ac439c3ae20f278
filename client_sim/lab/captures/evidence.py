"""Findings about captured bytes, with an excerpt in which possible personal values are redacted."""

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

MASK: Final = b"*"
# Patterns of identifiers: MAC and e-mail addresses, digits with separators, and strings of a
# base-16, base-32 or base-64 alphabet that contain a digit. Words remain readable.
_LOOKS_PERSONAL: Final = re.compile(
    rb"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}"
    rb"|[^\s@&=:;,/]{1,64}(?:@|%40)[^\s&=;,/]{1,255}"
    rb"|(?:\+|%2[Bb])?[0-9](?:[0-9. :-]|%2[0dDeE]){4,40}[0-9]"
    rb"|(?=[A-Za-z+_%-]{0,40}[0-9])[A-Za-z0-9+_%-]{12,}={0,2}"
)
_NOT_PERSONAL: Final = re.compile(
    rb"[0-9a-f]{64}\.[A-Za-z0-9._-]+\.zip|[1-9][0-9]{0,15}\.root\.json"
)

FINDINGS_LIMIT: Final = 50
"""The number of findings of one check that are shown; the others are only counted."""

_CONTEXT: Final = 48  # bytes shown on either side
_EXCERPT_LIMIT: Final = 256  # bytes shown of one finding
_MARGIN: Final = 512  # bytes beyond the excerpt that are examined, for identifiers cut at its edge
_LINES_LIMIT: Final = 1_000_000  # lines in all connections, each of which may be a field
_SEARCHED: Final = {
    Channel.DNS: "name asked for",
    Channel.CONNECT: "target",
    Channel.TLS: "client hello",
    Channel.OTHER: "",  # the phase already has a name
}


def redact(data: bytes, found: Iterable[tuple[int, int]]) -> bytes:
    """Redact the bytes that were found (offset, length), and everything like an identifier.

    The result has the same length, so that offsets remain valid.
    """
    redacted = bytearray(data)
    allowed = {place for match in _NOT_PERSONAL.finditer(data) for place in range(*match.span())}
    for match in _LOOKS_PERSONAL.finditer(data):
        if match.start() not in allowed:
            redacted[match.start() : match.end()] = MASK * len(match[0])
    for offset, length in found:
        start = max(0, offset)
        stop = max(start, min(len(data), offset + length))
        redacted[start:stop] = MASK * (stop - start)
    return bytes(redacted)


def show_value(value: bytes, *, personal: bool) -> str:
    """Return a value for a sentence, or only its length unless `personal`."""
    if personal:
        return value.decode("utf-8", "backslashreplace")
    return f"[{len(value)} bytes, not shown]"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A finding and its position: `offset` counts from the beginning of all bytes of its place.

    `finding.data` is an excerpt of these bytes, and `finding.offset` a position in the excerpt.
    """

    finding: Finding
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Place:
    """Bytes that left the phone, their position in the capture, and the known values in them."""

    where: str
    data: bytes
    sightings: tuple[Sighting, ...] = ()

    def evidence(self, explanation: str, offset: int, length: int, *, personal: bool) -> Evidence:
        """Return a finding about `length` bytes from `offset` on."""
        start = max(0, offset - _CONTEXT)
        shown_length = min(length, _EXCERPT_LIMIT)
        stop = min(len(self.data), offset + shown_length + _CONTEXT)
        window = self.data[start:stop] if personal else self._redacted(start, stop)
        return Evidence(
            Finding(self.where, explanation, window, offset - start, shown_length), offset, length
        )

    def _redacted(self, start: int, stop: int) -> bytes:
        # An identifier that is cut at the edge of the excerpt may look like a word.
        first = max(0, start - _MARGIN)
        found = [
            (s.offset - first, len(self.data) if _is_decoded(s) else len(s.data))
            for s in self.sightings
        ]
        redacted = redact(self.data[first : stop + _MARGIN], found)
        return redacted[start - first : stop - first]


def list_places(observation: Observation, search: CanarySearch | None) -> tuple[Place, ...]:
    """Return all readable bytes that left, with the known values found in them.

    If no known value is found in one piece, values that are split over fields, requests or names
    are searched for. Raise CaptureError if there are too many lines for that.
    """
    if search is None:
        return tuple(Place(where, data) for where, data in _all_bytes(observation))
    # Cached, because polls repeat each other and a search takes seconds.
    find = cache(lambda data: _outermost(search.search(data)))
    places = tuple(Place(where, data, find(data)) for where, data in _all_bytes(observation))
    if any(place.sightings for place in places):
        return places
    lines = sum(connection.data.count(b"\n") for connection in observation.connections())
    if lines > _LINES_LIMIT:
        raise CaptureError(
            f"more than {_LINES_LIMIT} lines left the phone, which are too many to join: cut the"
            " capture into parts"
        )
    joined = (
        Place(_redact_name(where), data, find(data)) for where, data in join_fields(observation)
    )
    return (*places, *(place for place in joined if place.sightings))


def _redact_name(where: str) -> str:
    """Redact possible values in the name of a field, because the client chose the name."""
    return redact(where.encode(), ()).decode("utf-8", "replace")


def _all_bytes(observation: Observation) -> Iterator[tuple[str, bytes]]:
    for connection in observation.connections():
        yield connection.phase, connection.data
    for departure in observation.departures:
        if departure.channel in _SEARCHED:
            yield name_place(departure), departure.data


def name_place(departure: Departure) -> str:
    """Return the kind of a departure and its position in the capture."""
    named = _SEARCHED.get(departure.channel, "")
    return f"{named}, {departure.phase}" if named else departure.phase


def _outermost(found: tuple[Sighting, ...]) -> tuple[Sighting, ...]:
    """Remove sightings that lie within a longer one of the same field, as spellings overlap."""
    outermost: list[Sighting] = []
    for sighting in sorted(found, key=lambda s: (s.field, s.offset, -len(s.data))):
        last = outermost[-1] if outermost else None
        if last is not None and last.field == sighting.field:
            stop = sighting.offset + len(sighting.data)
            if stop <= last.offset + len(last.data):
                continue
        outermost.append(sighting)
    return tuple(sorted(outermost, key=lambda s: (s.offset, s.field)))


def _is_decoded(sighting: Sighting) -> bool:
    """Return whether the value was found after decoding, and is not spelled at its offset."""
    return any(step.startswith("undone by ") for step in sighting.chain)
