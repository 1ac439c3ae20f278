"""One name, one target, one connection at a time, closed after the poll."""

from dataclasses import replace

import pytest

from client_sim.lab.oracles.egress import find_strays
from client_sim.lab.oracles.judging import judge_egress
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
        ((NAME, (Channel.CONNECT, 0, b"198.51.100.1 443 plain"), CLOSE), "port is not the ROM's"),
        ((NAME, (Channel.CONNECT, 0, b"198.51.100.1 80 plain"), CLOSE), "not the ROM's, 8080"),
        ((NAME, (Channel.CONNECT, 0, b"198.51.100.1 8080 a.example"), CLOSE), "TLS name"),
        ((NAME, TARGET, NAME, TARGET, CLOSE), "at the same time"),
        ((NAME, TARGET, DUE), "not closed"),
    ],
)
def test_anything_else_is_named(public, departures, words):
    """Each stray has one sentence."""
    (explanation,) = strays(public, *departures)
    assert words in explanation


def test_a_tls_name_is_the_host(public):
    """With TLS, a plain connection is as wrong as another name."""
    secure = replace(public, tls=True)
    plain, named = TARGET, (Channel.CONNECT, 0, b"198.51.100.1 8080 updates.example.org")
    assert strays(secure, NAME, named, CLOSE) == []
    assert "TLS name is not the ROM's" in strays(secure, NAME, plain, CLOSE)[0]
    assert "TLS name is not the ROM's, none" in strays(public, NAME, named, CLOSE)[0]


def test_each_stray_names_its_field(public):
    """As a finding it has channel and field."""
    other = (Channel.CONNECT, 1, b"198.51.100.1 443 a.example")
    seen = Observation(
        tuple(Departure(1.0, "poll 1", *d) for d in (NAME, NAME, TARGET, other, DUE)),
        *((), (), (), None),
    )
    assert [(f.channel, f.field) for f in judge_egress(seen, public)] == [
        ("dns question", "number of questions"),
        ("connect target", "port"),
        ("connect target", "TLS name"),
        ("connect target", "address"),
        ("connect target", "connections"),
        ("connect target", "close"),
    ]
