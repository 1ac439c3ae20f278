"""Owners at the edges."""

from dataclasses import fields, replace
from itertools import combinations

from client_sim.lab.programme.batteries.personal import MIXED
from client_sim.lab.scenarios.boundary import FIELDS, SHAPES, draw_shapes, list_singles, reshape
from client_sim.persona import Persona, make_persona
from client_sim.tape import Tape

OWNER = make_persona(1)


def test_every_field_takes_every_shape():
    """26 fields, eight shapes; one field changes and keeps its type for those who read it."""
    assert {field.name for field in fields(Persona)} == set(FIELDS)
    assert len(list_singles()) == 26 * 8
    for field, shape in list_singles():
        shaped = reshape(OWNER, field, shape)
        assert replace(shaped, **{field: getattr(OWNER, field)}) == OWNER
        assert type(getattr(shaped, field)) is type(getattr(OWNER, field))


def test_of_owners_at_many_edges_each_two_fields_are_at_theirs_together():
    """In about a quarter of as many owners as a run has, with different shapes."""
    drawn = [dict(draw_shapes(Tape(f"boundary {number}"))) for number in range(MIXED)]
    for pair in combinations(FIELDS, 2):
        met = [tuple(map(shapes.get, pair)) for shapes in drawn if {*pair} <= {*shapes}]
        assert 4 < len(met) < 32
        assert len({*met}) > 3
    assert {shape for shapes in drawn for shape in shapes.values()} == {*SHAPES}


def test_shapes_are_what_they_are_called():
    """Each by an example; of contacts there can be more than any trigger waits for, which is 350.

    Texts within records are foreign, too.
    """
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
    assert len(reshape(OWNER, "contacts", "maximal").contacts) > 350
    equal = reshape(OWNER, "contacts", "equal").contacts
    assert (len(equal) > 1, len(set(equal))) == (True, 1)
    for contact in reshape(OWNER, "contacts", "foreign").contacts:
        assert not any(text.isascii() for text in (contact.name, contact.number, contact.address))
