"""TCP streams are reassembled: order, repetition, overlaps, wrapping sequence numbers and gaps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.captures.connections import Budget, Gap, Piece, Stream
from client_sim.lab.errors import CaptureError

RING = 1 << 32


def reassemble(start, *pieces):
    """Reassemble pieces (offset, bytes) of a stream that begins at sequence number `start`."""
    made, budget = Stream(), Budget(1_000_000)
    made.begin(start)
    for offset, data in pieces:
        made.add((start + offset) % RING, data, 0, budget)
    made.finish()
    return made


@given(
    st.binary(min_size=1, max_size=300),
    st.lists(st.tuples(st.integers(0, 299), st.integers(1, 60)), max_size=30),
    st.one_of(st.integers(0, RING - 1), st.integers(RING - 300, RING - 1)),
    st.randoms(),
)
def test_any_order_and_overlap_of_segments(data, more, start, order):
    """Sequence numbers may begin anywhere and wrap around."""
    pieces = [(place, data[place : place + 7]) for place in range(0, len(data), 7)]
    pieces += [(p, data[p : p + size]) for p, size in more if data[p : p + size]]
    order.shuffle(pieces)
    made = reassemble(start, *pieces)
    assert (bytes(made.data), made.gaps, made.contradictions) == (data, [], [])


def test_gaps_have_offset_and_size():
    """Bytes after a gap are appended; bytes that a snap length cut are one gap."""
    made = reassemble(7, (0, b"abc"), (5, b"fgh"), (10, b"k"))
    assert (bytes(made.data), made.gaps) == (b"abcfghk", [Gap(3, 2), Gap(6, 2)])
    assert reassemble(7, (0, b"a"), (2, b"c")).gaps == [Gap(1, 1)]
    made, budget = Stream(), Budget(10_000)
    for number in range(100):
        made.add(5 * number, b"a", 4, budget)
    made.finish()
    assert [gap for gap in made.gaps if gap.offset < 0] == [Gap(-1, 400)]


def test_contradicting_bytes_are_kept_separately():
    """The receiver may have taken either; a keep-alive is no contradiction.

    Bytes before the beginning of the stream are kept, although no receiver takes them.
    """
    differs = "sent twice, differing"
    for pieces, contradictions in (
        ([(0, b"abcdef"), (2, b"cXef")], [Piece(2, b"cXef", differs)]),
        ([(3, b"def"), (3, b"dXf"), (0, b"abc")], [Piece(3, b"dXf", differs)]),
        ([(0, b"abcdef"), (5, b"\0"), (5, b"")], []),
        ([(0, b"abcdef"), (5, b"X")], [Piece(5, b"X", differs)]),
        ([(0, b"abcdef"), (-5, b"leak")], [Piece(-5, b"leak", "before the beginning")]),
    ):
        made = reassemble(7, *pieces)
        assert (bytes(made.data), made.contradictions) == (b"abcdef", contradictions)


def test_memory_for_streams_is_limited():
    """A stream without its first byte cannot fill the memory."""
    budget = Budget(10)
    budget.spend(10)
    with pytest.raises(CaptureError, match="more than 10 bytes left the phone: cut"):
        budget.spend(1)
    made, budget = Stream(), Budget(10_000_000)
    made.begin(0)
    for number in range(4096):
        made.add(2 * number + 1, b"x", 0, budget)
    with pytest.raises(CaptureError, match="too many segments follow"):
        made.add(2 * 4096 + 1, b"x", 0, budget)
