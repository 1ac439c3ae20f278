"""Owners at the edges."""

from dataclasses import fields, replace
from itertools import combinations

from client_sim.lab.programme.batteries.personal import MIXED
from client_sim.lab.scenarios.boundary import FIELDS, SHAPES, draw_shapes, list_singles, reshape
from client_sim.persona import Persona, make_persona
from client_sim.tape import Tape

OWNER = make_persona(1)


def test_every_field_takes_every_shape():
    """26 fields, eight shapes."""
    assert {field.name for field in fields(Persona)} == set(FIELDS)
    assert len(list_singles()) == 26 * 8


def test_of_owners_at_many_edges_each_two_fields_are_at_theirs_together():
    """In about a quarter of as many owners as a run has, with different shapes."""
    drawn = [dict(draw_shapes(Tape(f"boundary {number}"))) for number in range(MIXED)]
    for pair in combinations(FIELDS, 2):
        met = [tuple(map(shapes.get, pair)) for shapes in drawn if {*pair} <= {*shapes}]
        assert 4 < len(met) < 32
        assert len({*met}) > 3
    assert {shape for shapes in drawn for shape in shapes.values()} == {*SHAPES}


def test_a_shape_changes_one_field_and_keeps_its_type():
    """What is not named stays; what is named is of the same type, so that clients can read it."""
    for field, shape in list_singles():
        shaped = reshape(OWNER, field, shape)
        assert replace(shaped, **{field: getattr(OWNER, field)}) == OWNER
        assert type(getattr(shaped, field)) is type(getattr(OWNER, field))


def test_shapes_are_what_they_are_called():
    """Each by an example."""
    for field, shape, expected in (
        ("imei", "absent", ""),
        ("imei", "reversed", OWNER.imei[::-1]),
        ("imei", "tenfold", OWNER.imei * 10),
        ("imei2", "equal", OWNER.imei),
        ("contacts", "absent", ()),
        ("battery_percent", "tenfold", OWNER.battery_percent * 10),
        ("battery_percent", "foreign", -OWNER.battery_percent),
        ("apps", "minimal", OWNER.apps[:1]),
    ):
        assert getattr(reshape(OWNER, field, shape), field) == expected, (field, shape)


def test_there_can_be_more_contacts_than_any_trigger_waits_for():
    """The catalogue's largest is 350; equal ones are all alike."""
    assert len(reshape(OWNER, "contacts", "maximal").contacts) > 350
    equal = reshape(OWNER, "contacts", "equal").contacts
    assert (len(equal) > 1, len(set(equal))) == (True, 1)


def test_texts_within_records_are_foreign_too():
    """A contact's name, number and address are all of letters that are not ASCII."""
    for contact in reshape(OWNER, "contacts", "foreign").contacts:
        assert not any(text.isascii() for text in (contact.name, contact.number, contact.address))
