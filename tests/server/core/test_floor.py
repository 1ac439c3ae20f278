"""What a role records about builds that have left it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import FormatError
from server.core.floor import NO_FLOOR, Floor, decode_floor, encode_floor
from tests.server.core.tuf_objects import make_role
from tests.strategies import integers, json_values


def role_with(custom):
    """Return a role whose own `custom` is that value."""
    role = make_role()
    role.unrecognized_fields["custom"] = custom
    return role


def test_a_role_without_an_object_has_no_floor():
    """As a ceremony makes it."""
    assert decode_floor(make_role()) == NO_FLOOR == Floor(schema=1, counter=0, time=0)


def test_a_floor_is_read():
    """Both numbers; `floor_time` may be absent, and unknown members are ignored."""
    custom = {"floor": 5, "floor_time": 7, "schema": 1, "later": [1.5]}
    assert decode_floor(role_with(custom)) == Floor(schema=1, counter=5, time=7)
    assert decode_floor(role_with({"floor": 5, "schema": 1})).time == 0


@given(integers, integers)
def test_what_is_written_is_read(counter, time):
    """And members of a later version beside it stay, sorted by name."""
    role = role_with({"schema": 1, "floor": 0, "aaa": 1})
    role.unrecognized_fields["x"] = 2
    fields = encode_floor(role, Floor(schema=1, counter=counter, time=time))
    assert fields["x"] == 2
    assert list(fields["custom"].items()) == [
        ("aaa", 1),
        ("floor", counter),
        ("floor_time", time),
        ("schema", 1),
    ]
    assert decode_floor(role_with(fields["custom"])) == Floor(schema=1, counter=counter, time=time)


@pytest.mark.parametrize("schema", [0, 2, True, "1", None, 1.0])
def test_another_schema_is_refused_with_a_sentence_that_names_it(schema):
    """Only the integer 1 is schema 1."""
    with pytest.raises(FormatError, match="this version knows schema 1 only") as caught:
        decode_floor(role_with({"schema": schema, "floor": 1}))
    assert repr(str(schema)) in str(caught.value)


@pytest.mark.parametrize("value", [None, True, -1, 2**53, 1.0, "1", []])
@pytest.mark.parametrize("member", ["floor", "floor_time"])
def test_what_is_no_integer_is_refused(member, value):
    """Both members are integers of the format; the floor must be there."""
    with pytest.raises(FormatError, match="malformed"):
        decode_floor(role_with({"schema": 1, "floor": 1, "floor_time": 1} | {member: value}))
    with pytest.raises(FormatError, match="malformed"):
        decode_floor(role_with({"schema": 1}))


@given(json_values | st.fixed_dictionaries({"schema": st.just(1), "floor": json_values}))
def test_arbitrary_values_raise_only_our_error(custom):
    """Any value is a floor, or is refused."""
    try:
        floor = decode_floor(role_with(custom))
    except FormatError:
        return
    assert floor.counter == custom["floor"]
