"""Cursors: opaque, valid for one database, and never past what their holder has seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.cloud.errors import CloudError
from server.cloud.records.cursor import (
    Cursor,
    decode_changes,
    decode_sequence,
    encode_cursor,
    is_at,
)

NUMBERS = st.integers(0, 2**64 - 1)
NAMES = st.text(min_size=1, max_size=40)


@given(st.binary(min_size=4, max_size=4), NAMES, NUMBERS, NAMES, NUMBERS)
def test_what_is_encoded_is_decoded(generation, account, changes, collection, sequence):
    """Both counts, each for its own account or collection."""
    text = encode_cursor(Cursor(generation, account, changes, collection, sequence))
    assert decode_changes(text, generation, account) == changes
    assert decode_sequence(text, generation, collection) == sequence
    assert is_at(text, generation, collection, sequence)
    assert not is_at(text, generation, collection, (sequence + 1) % 2**64)


def test_a_count_of_another_is_as_good_as_none():
    """A client that uses a cursor for the wrong list gets more, never less."""
    of_items = encode_cursor(Cursor(b"base", collection="first", sequence=9))
    of_collections = encode_cursor(Cursor(b"base", account="ani", changes=7))
    assert decode_sequence(of_items, b"base", "second") == 0
    assert decode_changes(of_items, b"base", "ani") == 0
    assert decode_changes(of_collections, b"base", "budi") == 0
    assert decode_sequence(of_collections, b"base", "first") == 0
    assert decode_changes(None, b"base", "ani") == decode_sequence(None, b"base", "first") == 0


@given(st.text(max_size=60))
def test_anything_else_is_refused(text):
    """Any other text, and cursors from before a restored backup."""
    with pytest.raises(CloudError, match="list again without one"):
        decode_sequence(text, b"base", "first")
    assert not is_at(text, b"base", "first", 0)
    old = encode_cursor(Cursor(b"past", collection="first", sequence=9))
    with pytest.raises(CloudError, match="list again without one") as caught:
        decode_sequence(old, b"base", "first")
    assert (caught.value.status, caught.value.code) == (400, "bad_stoken")
