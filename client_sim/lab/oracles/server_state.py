"""N3: the same phone polls two servers that differ only in data that is not content.

Every difference in what the phone sends was caused by the server. The finding names the place, and
the value of the server that stands there.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from client_sim.lab.oracles.equality import judge_equality
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.timing import decode_intervals
from client_sim.lab.trace.observation import Channel, Observation

_VALUE: Final = re.compile(rb"[A-Za-z0-9+/_.:%=-]+")
_SHORTEST: Final = 2  # bytes of a value, as in `Max-Age=17`


def judge_server_state(one: Observation, other: Observation) -> tuple[Finding, ...]:
    """Find where two runs with the same content differ, times included, and by which value.

    Both runs are of the same phone with the same randomness and clock. TLS parameters count,
    because a resumed session is a ticket of the server. A reset does not count, because it depends
    on how many bytes the server sends unasked.
    """
    found = judge_equality(
        _in_order(one), _in_order(other), "a phone of another server", with_time=True
    )
    if not found:
        return ()
    handed = _values(other) - _values(one)
    return tuple(
        replace(finding, explanation=f"{finding.explanation}{_came_back(finding, other, handed)}")
        for finding in found
    )


def _in_order(observation: Observation) -> Observation:
    """Return the run as if no connection had ended by a reset."""
    if not any(connection.is_reset for connection in observation.connections()):
        return observation
    departures = tuple(
        replace(each, data=b"") if each.channel is Channel.CLOSE else each
        for each in observation.departures
    )
    return replace(observation, departures=departures)


def _values(observation: Observation) -> frozenset[tuple[str, bytes]]:
    """Return the values in the answers as pairs: the header's name or `body`, and the value."""
    return frozenset(
        (name, value)
        for received in observation.received
        for name, text in _texts(received)
        for value in (text, *_VALUE.findall(text), *re.split(rb"[=;:/, \"<>?&]+", text))
        if len(value) >= _SHORTEST
    )


def _texts(received: bytes) -> Iterator[tuple[str, bytes]]:
    for line in received.split(b"\r\n"):
        name, colon, value = line.partition(b": ")
        known = colon and re.fullmatch(rb"[A-Za-z0-9-]+", name)
        yield (name.decode(), value.strip(b'"')) if known else ("body", line)


def _came_back(finding: Finding, other: Observation, handed: frozenset[tuple[str, bytes]]) -> str:
    """Return which value of the second server stands at the difference, as text."""
    there = finding.other
    assert there is not None
    if finding.channel == Channel.SCHEDULE.value:
        there = b" ".join(
            b"%d %d %d" % (i.seconds, i.due, i.seconds - 14_400)
            for i in decode_intervals(other)
            if finding.where.endswith(f", poll {i.poll}")
        )
    found = [
        (len(value), name, value, dress)
        for name, value in handed
        for dress, data in _dresses(value)
        if data in there and data not in finding.data
    ]
    if not found:
        return ""
    _, name, value, dress = max(found, key=lambda each: each[:3])
    return f": {value.decode('latin-1')!r} of {name} came back{dress}"


def _dresses(value: bytes) -> Iterator[tuple[str, bytes]]:
    yield "", value
    yield " in lower case", value.lower()
    yield " in base16", value.hex().encode()
    yield " in base64", base64.b64encode(value).rstrip(b"=")
