import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from client_sim.device.errors import StateError
from client_sim.device.records import (
    add_unusable,
    forget_due,
    forget_unusable,
    load_agreed,
    load_clock,
    load_due,
    load_failed,
    load_floor,
    load_secret,
    load_unusable,
    raise_clock,
    raise_floor,
    store_agreed,
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


def test_the_clocks_floor_only_rises():
    """An older signed time changes nothing; what cannot be read is no time."""
    state = {}
    assert load_clock(state) == 0
    for seconds, floor in ((30, 30), (20, 30), (70, 70)):
        raise_clock(state, seconds)
        assert load_clock(state) == floor
    for damaged in (b"", b"x", b"-1", b"1.5", b"9" * 17, b"\xff", b"1767225600000"):
        state["clock"] = damaged
        assert load_clock(state) == 0
    raise_clock(state, 1)
    assert load_clock(state) == 1


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


def test_unusable_incrementals_are_kept_in_order_and_bounded():
    """The 64 that were added last, each once; what is no sha256 is passed over."""
    state = {}
    hashes = [f"{number:064x}" for number in range(66)]
    for sha256 in (*hashes, hashes[3]):
        add_unusable(state, sha256)
    assert load_unusable(state) == (*hashes[2:3], *hashes[4:], hashes[3])
    forget_unusable(state)
    forget_unusable(state)
    assert load_unusable(state) == ()
    assert load_unusable({"unusable": b"\xff\n" + hashes[1].encode() + b"\nabc"}) == (hashes[1],)


def test_consent_is_the_last_one_given():
    """One build at a time."""
    state = {}
    assert load_agreed(state) is None
    store_agreed(state, 3)
    store_agreed(state, 2)
    assert load_agreed(state) == 2


@given(st.binary(max_size=20))
def test_arbitrary_records_raise_nothing_else(octets):
    """Damaged records are StateError, or read as none."""
    names = ("floor", "failed", "due", "agreed", "unusable")
    state = dict.fromkeys(names, octets)
    load_due(state)
    load_unusable(state)
    for load in (load_floor, load_failed, load_agreed):
        try:
            load(state)
        except StateError:
            continue
        assert octets.replace(b"\n", b"").isdigit() or load is load_failed
    with pytest.raises(StateError):
        load_failed({"failed": b"1\n" * 65})
