"""TCP put together: order, repetition, overlaps, sequence numbers that go round, gaps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.captures.streams import Budget, Gap, Piece, Stream
from client_sim.lab.errors import CaptureError

RING = 1 << 32


def stream(start, *pieces):
    """Put pieces (offset, bytes) of a stream together that begins at sequence number `start`."""
    made, budget = Stream(), Budget(1_000_000)
    made.begin(start)
    for offset, data in pieces:
        made.add((start + offset) % RING, data, 0, budget)
    made.finish()
    return made


@given(
    st.binary(min_size=1, max_size=300),
    st.lists(st.tuples(st.integers(0, 299), st.integers(1, 60)), max_size=30),
    st.integers(0, RING - 1),
    st.randoms(),
)
def test_segments_in_any_order_with_any_overlap_are_the_stream(data, more, start, order):
    """However it was cut, doubled and shuffled, and wherever the numbers began."""
    pieces = [(place, data[place : place + 7]) for place in range(0, len(data), 7)]
    pieces += [(p, data[p : p + size]) for p, size in more if data[p : p + size]]
    order.shuffle(pieces)
    made = stream(start, *pieces)
    assert (bytes(made.data), made.gaps, made.odd) == (data, [], [])


def test_sequence_numbers_go_round():
    """The third byte has number 0."""
    made = stream(RING - 2, (0, b"abcd"), (4, b"ef"))
    assert bytes(made.data) == b"abcdef"


def test_what_is_missing_is_told_with_its_place_and_size():
    """What was seen behind it is appended."""
    made = stream(7, (0, b"abc"), (5, b"fgh"), (10, b"k"))
    assert bytes(made.data) == b"abcfghk"
    assert made.gaps == [Gap(3, 2), Gap(6, 2)]
    assert stream(7, (0, b"a"), (2, b"c")).gaps == [Gap(1, 1)]


def test_bytes_that_contradict_others_are_kept_beside_them():
    """The far end may have taken either; both before and behind a gap."""
    made = stream(7, (0, b"abcdef"), (2, b"cXef"))
    assert bytes(made.data) == b"abcdef"
    assert made.odd == [Piece(2, b"cXef", "sent twice, differing")]
    made = stream(7, (3, b"def"), (3, b"dXf"), (0, b"abc"))
    assert bytes(made.data) == b"abcdef"
    assert made.odd == [Piece(3, b"dXf", "sent twice, differing")]


def test_a_keep_alive_is_no_contradiction_but_a_letter_in_its_place_is():
    """One byte of zero, or none, at the place before the next."""
    assert stream(7, (0, b"abc"), (2, b"\0"), (2, b"")).odd == []
    assert stream(7, (0, b"abc"), (2, b"X")).odd == [Piece(2, b"X", "sent twice, differing")]


def test_what_stands_before_the_beginning_is_kept_beside():
    """No receiver takes it, but it left."""
    made = stream(100, (0, b"abc"), (-5, b"leak"))
    assert made.odd == [Piece(-5, b"leak", "before the beginning")]


def test_a_segment_that_was_not_kept_whole_is_a_gap():
    """Its place is not known better than that."""
    made, budget = Stream(), Budget(100)
    made.add(5, b"abc", 4, budget)
    made.finish()
    assert made.gaps == [Gap(-1, 4)]


def test_many_segments_that_were_not_kept_whole_are_one_gap():
    """A short snap length cuts all of them: they are added up, in no more memory than one."""
    made, budget = Stream(), Budget(10_000)
    for number in range(100):
        made.add(5 * number, b"a", 4, budget)
    made.finish()
    assert [gap for gap in made.gaps if gap.offset < 0] == [Gap(-1, 400)]


def test_a_budget_is_spent_once():
    """More than it has raises, with what to do."""
    budget = Budget(10)
    budget.spend(10)
    with pytest.raises(CaptureError, match="more than 10 bytes left the phone: cut"):
        budget.spend(1)


def test_pieces_that_wait_are_limited():
    """A stranger who leaves the first byte out does not fill the memory."""
    made, budget = Stream(), Budget(10_000_000)
    made.begin(0)
    for number in range(4096):
        made.add(2 * number + 1, b"x", 0, budget)
    with pytest.raises(CaptureError, match="too many segments wait"):
        made.add(2 * 4096 + 1, b"x", 0, budget)
