import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from client_sim.device.errors import StateError
from client_sim.device.records import (
    forget_due,
    load_due,
    load_failed,
    load_floor,
    load_secret,
    raise_floor,
    store_due,
    store_failed,
)


def test_the_floor_only_rises():
    """A lower counter changes nothing."""
    state = {}
    assert load_floor(state) == 0
    for counter, floor in ((3, 3), (2, 3), (7, 7)):
        raise_floor(state, counter)
        assert load_floor(state) == floor


def test_failed_builds_are_kept_sorted_and_bounded():
    """The highest 64 counters, each once."""
    state = {}
    store_failed(state, [3, 1, 3])
    assert load_failed(state) == (1, 3)
    store_failed(state, range(100))
    assert load_failed(state) == tuple(range(36, 100))


def test_a_damaged_secret_is_made_anew():
    """32 octets or none."""
    state = {"secret": b"short"}
    assert load_secret(state, lambda n: b"\x07" * n) == b"\x07" * 32
    assert load_secret(state, bytes) == b"\x07" * 32


@given(st.floats(0, 10**11))
@example(1e-05)
def test_a_due_time_is_read_as_it_was_stored(due):
    """What `store_due` returns is what every later reading gives, to the microsecond."""
    state = {}
    assert store_due(state, due) == load_due(state)
    assert abs(load_due(state) - due) < 0.001
    forget_due(state)
    assert load_due(state) is None


@given(st.binary(max_size=20))
def test_arbitrary_records_raise_nothing_else(octets):
    """Damaged records are StateError, or read as none."""
    state = {"floor": octets, "failed": octets, "due": octets}
    load_due(state)
    for load in (load_floor, load_failed):
        try:
            load(state)
        except StateError:
            continue
        assert octets.replace(b"\n", b"").isdigit() or load is load_failed
    with pytest.raises(StateError):
        load_failed({"failed": b"1\n" * 65})
