"""The tripwire hands on true values and misses no look."""

import copy
import dataclasses

import pytest

from client_sim.lab.trace.tripwire import Tripwire
from client_sim.persona import Persona, canaries, encode_persona, make_persona

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
