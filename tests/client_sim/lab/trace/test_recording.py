"""A recording world notes departures and reads of the owner's data, and passes on true values."""

import copy
import dataclasses

import pytest

from client_sim.lab.trace.memory import OTHER_ADDRESS
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


def test_departures_are_noted_in_order(inner):
    """Questions, targets, writes and closes have a phase and a time."""
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
        (5.0, Channel.CONNECT, 0, OTHER_ADDRESS.encode() + b" 80 stats.example.org"),
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
    """Each draw of randomness and each read of the owner's data is noted."""
    world = RecordingWorld(inner)
    drawn = world.entropy(8)
    assert world.personal is not None
    assert world.personal.serial == OWNER.serial
    seen = world.observation()
    assert [draw.data for draw in seen.draws] == [drawn]
    assert [read.field for read in seen.reads] == ["serial"]


def test_failed_connection_is_noted(inner, monkeypatch):
    """A failed connection is also closed.

    After a close, streams raise OSError as sockets do.
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


def test_connection_has_the_first_address_of_its_name(inner):
    """A connection without a question has none."""
    world = RecordingWorld(inner)
    world.connect("192.0.2.9", 80, None)
    first, _ = world.resolve(world.public.host)
    world.connect("192.0.2.9", 80, None)
    world.resolve("stats.example.org")
    world.connect(OTHER_ADDRESS, 80, None)
    assert world.observation().nearest == (None, first, OTHER_ADDRESS)


def make_tripwire():
    """Return a tripwire and the list of fields that it noted."""
    noted = []
    return Tripwire(PERSONA, noted.append), noted


def test_each_read_of_a_field_is_noted():
    """The read returns the true value.

    Printing, encoding, hashing and copying read fields, too.
    """
    for field in [field.name for field in dataclasses.fields(Persona)]:
        tripwire, noted = make_tripwire()
        assert getattr(tripwire, field) == getattr(PERSONA, field)
        assert noted == [field]
    for read in (repr, encode_persona, canaries, hash, copy.copy, dataclasses.asdict):
        tripwire, noted = make_tripwire()
        read(tripwire)
        assert "imei" in noted


EVENT = Event("call-placed", (("number", "+99912345678901"),))


def test_reads_of_event_details_are_noted():
    """Reading the name is not noted: a client may react to the kind of an event.

    The true details are returned, in every way of reading them.
    """
    noted = []
    event = WatchedEvent(EVENT, noted.append)
    assert isinstance(event, Event)
    assert event.name == "call-placed"
    assert noted == []
    for read in (lambda event: event.details, repr, hash, dataclasses.asdict):
        noted = []
        read(WatchedEvent(EVENT, noted.append))
        assert set(noted) == {"details of call-placed"}
        assert WatchedEvent(EVENT, noted.append).details == EVENT.details
