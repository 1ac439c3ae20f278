"""One name, one target, one connection at a time, closed after the poll."""

import pytest

from client_sim.lab.oracles.egress import find_strays
from client_sim.lab.trace.observation import Channel, Departure, Observation

NAME = (Channel.DNS, -1, b"updates.example.org")
TARGET = (Channel.CONNECT, 0, b"198.51.100.1 8080 plain")
CLOSE = (Channel.CLOSE, 0, b"")
DUE = (Channel.SCHEDULE, -1, b"20000.0")


def strays(public, *departures):
    """List the explanations for departures given as (channel, connection, octets)."""
    seen = Observation(
        tuple(Departure(1.0, "poll 1", *departure) for departure in departures), (), (), (), None
    )
    return [stray.explanation for stray in find_strays(seen, public)]


def test_a_poll_goes_where_it_must(public):
    """Two polls in a row are clean."""
    assert strays(public, *(NAME, TARGET, CLOSE, DUE) * 2) == []


@pytest.mark.parametrize(
    ("departures", "words"),
    [
        (((Channel.DNS, -1, b"stats.example.org"),), "the only name"),
        ((NAME, NAME, TARGET, CLOSE), "once per connection"),
        ((TARGET, CLOSE), "no question"),
        ((NAME, (Channel.CONNECT, 0, b"198.51.100.1 443 plain"), CLOSE), "port or the TLS name"),
        ((NAME, (Channel.CONNECT, 0, b"198.51.100.1 8080 a.example"), CLOSE), "TLS name"),
        ((NAME, TARGET, NAME, TARGET, CLOSE), "at the same time"),
        ((NAME, TARGET, DUE), "not closed"),
    ],
)
def test_anything_else_is_named(public, departures, words):
    """Each stray has one sentence."""
    (explanation,) = strays(public, *departures)
    assert words in explanation
