import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.engine import digest
from client_sim.engine.digest import STATE_BYTES, PlainDigest, open_digest
from client_sim.engine.errors import SlotError
from tests.cases import case


@given(st.lists(st.binary(max_size=200), max_size=6), st.integers(0, 6))
def test_saved_digest_is_continued(pieces, place):
    """A digest saved after any piece ends like hashlib's over all pieces, and so does the first."""
    first = open_digest()
    for piece in pieces[:place]:
        first.update(piece)
    second = open_digest(first.save())
    for piece in pieces[place:]:
        first.update(piece)
        second.update(piece)
    assert first.digest() == second.digest() == hashlib.sha256(b"".join(pieces)).digest()


def test_bits_are_counted_in_two_words():
    """512 MiB have 2^32 bits; the expected digest of 528 MiB is sha256sum's."""
    digest, zeros = open_digest(), bytes(1 << 24)
    for _ in range(33):
        digest = open_digest(digest.save())
        digest.update(zeros)
    expected = "34ee7fdbf2981413ea9fecf95748b077b97d154d100df6b88cd05433ce086f2e"
    assert digest.digest().hex() == expected


@given(st.binary(max_size=300), st.integers(0, 310), st.none() | st.integers(0, 310))
def test_part_of_a_buffer(data, start, stop):
    """`start` and `stop` work as in a slice; copies are independent."""
    for each in (open_digest(), PlainDigest()):
        each.update(b"before")
        other = each.copy()
        other.update(b"another")
        each.digest()
        each.update(data, start, stop)
        assert other.digest() == hashlib.sha256(b"beforeanother").digest()
        assert each.digest() == hashlib.sha256(b"before" + data[start:stop]).digest()


def test_a_damaged_state_is_refused():
    """OpenSSL never gets values that it must not trust."""
    for state in (b"", bytes(STATE_BYTES - 1), bytes(STATE_BYTES), b"\xff" * STATE_BYTES):
        with case(state), pytest.raises(SlotError):
            open_digest(state)


def test_digest_without_openssl(monkeypatch):
    """Without OpenSSL's shared library hashing works, and no state is saved or opened."""
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
