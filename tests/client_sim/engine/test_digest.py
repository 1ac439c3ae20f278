import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.engine import digest
from client_sim.engine.digest import STATE_BYTES, PlainDigest, open_digest
from client_sim.engine.errors import SlotError
from tests.cases import case


@given(st.lists(st.binary(max_size=200), max_size=6), st.integers(0, 6))
def test_a_saved_digest_goes_on_where_it_was(pieces, place):
    """Put aside after any piece, it ends as hashlib over all, and so does the first."""
    first = open_digest()
    for piece in pieces[:place]:
        first.update(piece)
    second = open_digest(first.save())
    for piece in pieces[place:]:
        first.update(piece)
        second.update(piece)
    assert first.digest() == second.digest() == hashlib.sha256(b"".join(pieces)).digest()


def test_bits_are_counted_in_two_words():
    """There are 2^32 bits in 512 MiB; sha256sum says what these 528 are."""
    digest, zeros = open_digest(), bytes(1 << 24)
    for _ in range(33):
        digest = open_digest(digest.save())
        digest.update(zeros)
    expected = "34ee7fdbf2981413ea9fecf95748b077b97d154d100df6b88cd05433ce086f2e"
    assert digest.digest().hex() == expected


@given(st.binary(max_size=300), st.integers(0, 310), st.none() | st.integers(0, 310))
def test_part_of_some_bytes_is_added(data, start, stop):
    """As in a slice, also without a state; a copy goes its own way, and asking changes nothing."""
    for each in (open_digest(), PlainDigest()):
        each.update(b"before")
        other = each.copy()
        other.update(b"another")
        each.digest()
        each.update(data, start, stop)
        assert other.digest() == hashlib.sha256(b"beforeanother").digest()
        assert each.digest() == hashlib.sha256(b"before" + data[start:stop]).digest()


def test_a_damaged_state_is_refused():
    """C code is never given numbers that it would trust and must not."""
    for state in (b"", bytes(STATE_BYTES - 1), bytes(STATE_BYTES), b"\xff" * STATE_BYTES):
        with case(state), pytest.raises(SlotError):
            open_digest(state)


def test_without_the_library_nothing_is_saved(monkeypatch):
    """Where OpenSSL is no shared library hashing works, and there is no state to go on with."""
    monkeypatch.setattr(digest, "_LIBRARIES", ("libnothing.so.0",))
    digest._load_library.cache_clear()
    try:
        each = open_digest()
        each.update(b"abc")
        assert each.digest() == hashlib.sha256(b"abc").digest()
        assert each.save() is None
        with pytest.raises(SlotError):
            open_digest(bytes(STATE_BYTES))
    finally:
        digest._load_library.cache_clear()
