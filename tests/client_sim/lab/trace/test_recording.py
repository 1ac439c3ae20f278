"""A recording world notes what leaves, and all looks at an owner; it hands on true values."""

import copy
import dataclasses

import pytest

from client_sim.lab.trace.memory import ELSEWHERE
from client_sim.lab.trace.observation import Channel
from client_sim.lab.trace.recording import RecordingWorld, Tripwire, WatchedEvent
from client_sim.persona import Persona, canaries, encode_persona, make_persona
from client_sim.world import Event

OWNER = make_persona(1)
PERSONA = make_persona(9)


@pytest.fixture
def inner(make_world):
    """Make a world in memory."""
    return make_world(OWNER, b"seed", 5.0)


def test_everything_that_leaves_is_noted_in_order(inner):
    """Question, target, each send and the close, with phase and time."""
    world = RecordingWorld(inner)
    world.phase = "poll 1"
    (address,) = world.resolve("stats.example.org")
    stream = world.connect(address, 80, "stats.example.org")
    inner.advance_to(6.0)
    stream.send(b"GET /metadata/timestamp.json")
    stream.send(b" HTTP/1.1\r\n\r\n")
    first, rest = stream.recv(8), stream.recv(65_536)
    stream.close()
    seen = world.observation()
    assert [(d.at, d.channel, d.connection, d.data) for d in seen.departures] == [
        (5.0, Channel.DNS, -1, b"stats.example.org"),
        (5.0, Channel.CONNECT, 0, ELSEWHERE.encode() + b" 80 stats.example.org"),
        (6.0, Channel.BYTES, 0, b"GET /metadata/timestamp.json"),
        (6.0, Channel.BYTES, 0, b" HTTP/1.1\r\n\r\n"),
        (6.0, Channel.CLOSE, 0, b""),
    ]
    assert {d.phase for d in seen.departures} == {"poll 1"}
    assert seen.received == (first + rest,)
    assert first == b"HTTP/1.1"
    (connection,) = seen.connections()
    assert connection.data == b"GET /metadata/timestamp.json HTTP/1.1\r\n\r\n"
    assert connection.closes == 1


def test_draws_and_reads_are_noted(inner):
    """The lab knows each byte of randomness and each look at the owner."""
    world = RecordingWorld(inner)
    drawn = world.entropy(8)
    assert world.personal is not None
    assert world.personal.serial == OWNER.serial
    seen = world.observation()
    assert [draw.data for draw in seen.draws] == [drawn]
    assert [read.field for read in seen.reads] == ["serial"]


def test_a_target_is_noted_though_nobody_answers(inner, monkeypatch):
    """A failed connection shows as much as one that works, and is over at once.

    Streams raise OSError after close, as sockets do.
    """
    stream = RecordingWorld(inner).connect("192.0.2.9", 80, None)
    stream.close()
    with pytest.raises(OSError, match="closed"):
        stream.send(b"x")
    with pytest.raises(OSError, match="closed"):
        stream.recv(1)

    def refuse(*_):
        raise ConnectionRefusedError

    monkeypatch.setattr(inner, "connect", refuse)
    world = RecordingWorld(inner)
    with pytest.raises(ConnectionRefusedError):
        world.connect("192.0.2.9", 80, None)
    seen = world.observation()
    assert [d.channel for d in seen.departures] == [Channel.CONNECT, Channel.CLOSE]


def test_the_first_address_of_each_question_is_kept_with_the_connection_behind_it(inner):
    """A connection that no question came before has none."""
    world = RecordingWorld(inner)
    world.connect("192.0.2.9", 80, None)
    first, _ = world.resolve(world.public.host)
    world.connect("192.0.2.9", 80, None)
    world.resolve("stats.example.org")
    world.connect(ELSEWHERE, 80, None)
    assert world.observation().nearest == (None, first, ELSEWHERE)


def set_wire():
    """Make a tripwire and the list of what it noted."""
    noted = []
    return Tripwire(PERSONA, noted.append), noted


def test_each_look_at_a_field_is_noted_and_true():
    """Whoever reads gets the true value, and is noted.

    Printing, encoding, hashing and copying read fields, too.
    """
    for field in [field.name for field in dataclasses.fields(Persona)]:
        wire, noted = set_wire()
        assert getattr(wire, field) == getattr(PERSONA, field)
        assert noted == [field]
    for look in (repr, encode_persona, canaries, hash, copy.copy, dataclasses.asdict):
        wire, noted = set_wire()
        look(wire)
        assert "imei" in noted


EVENT = Event("call-placed", (("number", "+99912345678901"),))


def test_an_event_tells_its_name_unseen_and_its_details_seen():
    """A client may tell a call from a restart; what matters is whose call it is.

    The true details are handed out, and each way to them is seen.
    """
    noted = []
    event = WatchedEvent(EVENT, noted.append)
    assert isinstance(event, Event)
    assert event.name == "call-placed"
    assert noted == []
    for look in (lambda event: event.details, repr, hash, dataclasses.asdict):
        noted = []
        look(WatchedEvent(EVENT, noted.append))
        assert set(noted) == {"details of call-placed"}
        assert WatchedEvent(EVENT, noted.append).details == EVENT.details
