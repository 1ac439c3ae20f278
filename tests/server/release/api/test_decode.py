"""Whatever octets come in: a value of the declared type, or one of two problems."""

import json
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.release.api.decode import decode_body, decode_query
from server.release.api.pagination import decode_cursor, encode_cursor
from server.release.api.problems import ProblemError
from server.release.people.token_text import checksum
from tests.server.release.api.toys import Toy, ToyQuery

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda value: st.lists(value) | st.dictionaries(st.text(), value),
)
STORABLE = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TOYS = st.recursive(
    st.builds(
        Toy,
        name=st.text(STORABLE, min_size=1, max_size=20),
        colour=st.sampled_from(["red", "green"]),
        price=st.integers(0, 1000),
        parts=st.just([]),
    ),
    lambda toys: st.builds(
        Toy,
        name=st.just("box"),
        colour=st.just("red"),
        price=st.just(0),
        parts=st.lists(toys, max_size=3),
    ),
    max_leaves=5,
)  # fmt: skip


def outcome(decode, *arguments):
    """Return what a decoder gives: the value, or the status of its refusal."""
    try:
        return decode(*arguments)
    except ProblemError as error:
        return error.status


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body(data):
    """Octets are a toy, not JSON, or JSON that is no toy."""
    result = outcome(decode_body, data, Toy)
    assert isinstance(result, Toy) or result in {400, 422}


@given(TOYS)
def test_a_body_that_fits(toy):
    """What is of the type is taken as it is, however it is spelled in JSON."""
    for data in (msgspec.json.encode(toy), json.dumps(msgspec.to_builtins(toy), indent=1).encode()):
        assert msgspec.to_builtins(decode_body(data, Toy)) == msgspec.to_builtins(toy)


def test_a_token_in_a_body_or_query():
    """It is refused wherever it stands, and the problem does not repeat it."""
    text = f"hening_{'0a' * 6}_{'0b' * 32}"
    token = text + checksum(text)
    for decode, data, kind in (
        (decode_body, json.dumps({"name": f"of {token}."}).encode(), Toy),
        (decode_body, json.dumps({token: 1}).encode(), Toy),
        (decode_query, urlencode({"limit": token}), ToyQuery),
        (decode_query, urlencode({token: "1"}), None),
    ):
        with pytest.raises(ProblemError, match="revoke it") as found:
            decode(data, kind)
        assert found.value.status == 422
        assert "0b0b" not in str(found.value)


@given(st.text() | st.dictionaries(st.text(), st.text()).map(urlencode))
def test_any_query(text):
    """A query is taken, malformed, or does not fit; where none is wanted, only an empty one is."""
    result = outcome(decode_query, text, ToyQuery)
    assert isinstance(result, ToyQuery) or result in {400, 422}
    assert outcome(decode_query, text, None) in ({None} if not text else {400, 422})


@given(st.integers(1, 200), st.sampled_from(["red", "green", None]), st.booleans())
def test_a_query_that_fits(limit, colour, old):
    """Numbers, words and truth values have one spelling, and that one is read."""
    values = {"limit": str(limit), "old": str(old).lower()} | ({"colour": colour} if colour else {})
    assert decode_query(urlencode(values), ToyQuery) == ToyQuery(
        limit=limit, colour=colour, old=old
    )


@given(st.text(STORABLE, min_size=1))
def test_cursors_of_names(key):
    """A cursor gives back the key it was made of."""
    assert decode_cursor(encode_cursor(key), str) == key


@given(st.integers(-(2**53) + 1, 2**53 - 1))
def test_cursors_of_numbers(key):
    """Numbers likewise, and no cursor of a number is one of a name."""
    assert decode_cursor(encode_cursor(key), int) == key
    with pytest.raises(ProblemError):
        decode_cursor(encode_cursor(key), str)


@given(st.text(min_size=1))
def test_any_cursor(text):
    """Another text is refused, or is the one cursor of its key."""
    key = outcome(decode_cursor, text, str)
    assert key == 400 or encode_cursor(key) == text
