"""The tripwire hands on true values and misses no look."""

import copy
import dataclasses

import pytest

from client_sim.lab.trace.tripwire import Tripwire, WatchedEvent
from client_sim.persona import Persona, canaries, encode_persona, make_persona
from client_sim.world import Event

PERSONA = make_persona(9)


def set_wire():
    """Make a tripwire and the list of what it noted."""
    noted = []
    return Tripwire(PERSONA, noted.append), noted


def test_making_one_reads_nothing():
    """A wire that nobody touches stays silent."""
    wire, noted = set_wire()
    assert isinstance(wire, Persona)
    assert noted == []


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Persona)])
def test_each_field_is_noted_and_true(field):
    """Whoever reads gets the true value, and is noted."""
    wire, noted = set_wire()
    assert getattr(wire, field) == getattr(PERSONA, field)
    assert noted == [field]


@pytest.mark.parametrize(
    "look", [repr, encode_persona, canaries, hash, copy.copy, dataclasses.asdict]
)
def test_indirect_looks_are_noted(look):
    """Printing, encoding, hashing and copying read fields."""
    wire, noted = set_wire()
    look(wire)
    assert "imei" in noted


EVENT = Event("call-placed", (("number", "+99912345678901"),))


def test_an_event_tells_its_name_unseen():
    """A client may tell a call from a restart; what matters is whose call it is."""
    noted = []
    event = WatchedEvent(EVENT, noted.append)
    assert isinstance(event, Event)
    assert event.name == "call-placed"
    assert noted == []


@pytest.mark.parametrize("look", [lambda event: event.details, repr, hash, dataclasses.asdict])
def test_a_look_at_an_events_details_is_noted(look):
    """The true ones are handed out, and each way to them is seen."""
    noted = []
    look(WatchedEvent(EVENT, noted.append))
    assert set(noted) == {"details of call-placed"}
    assert WatchedEvent(EVENT, noted.append).details == EVENT.details
