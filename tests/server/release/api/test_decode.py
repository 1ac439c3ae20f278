"""Any bytes decode to a value of the declared type or to a 400 or 422 problem."""

import json
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.release.api.accounts import NewAccount
from server.release.api.catalogue import OPERATIONS
from server.release.api.channels import OfferCommand
from server.release.api.decode import decode_body, decode_query
from server.release.api.pagination import decode_cursor, encode_cursor
from server.release.api.problems import ProblemError
from server.release.auth.principal import token_checksum
from server.release.rollouts.signed import Promote
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
    """Return the decoded value, or the status of the refusal."""
    try:
        return decode(*arguments)
    except ProblemError as error:
        return error.status


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body(data):
    """Any bytes are a toy, or refused with 400 or 422."""
    result = outcome(decode_body, data, Toy)
    assert isinstance(result, Toy) or result in {400, 422}


@given(TOYS)
def test_valid_body(toy):
    """A value of the type is accepted in any JSON formatting."""
    for data in (msgspec.json.encode(toy), json.dumps(msgspec.to_builtins(toy), indent=1).encode()):
        assert msgspec.to_builtins(decode_body(data, Toy)) == msgspec.to_builtins(toy)


class Text(msgspec.Struct, forbid_unknown_fields=True):
    """A body with a text."""

    text: str


def escaped(body):
    """Return a body in which each character is escaped."""
    text = "".join(f"\\u{ord(character):04x}" for character in body.text)
    return f'{{"text":"{text}"}}'.encode()


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"], ids=["NUL", "half a pair"])
def test_characters_that_cannot_be_stored(text):
    """Escapes of NUL and of half a surrogate pair are refused."""
    assert outcome(decode_body, escaped(Text(text)), Text) == 400
    assert decode_body(escaped(Text("ab")), Text) == Text("ab")


BIGGEST = {
    "accounts": (
        NewAccount,
        {"name": "a" * 64, "role": "engineer", "codenames": [f"{n:032}" for n in range(1000)]},
    ),
    "offer": (
        OfferCommand,
        {
            "plan": {
                "stages": [{"permille": 1000, "hold": 3_162_240_000}] * 15,
                "start": 64_060_588_800,
                "calendar": {
                    "zone": "a" * 64,
                    "windows": [{"days": ["mon"] * 7, "start": "00:00", "until": "24:00"}] * 14,
                },
            },
            "note": "\U0001f600" * 500,
        },
    ),
    "promote": (
        Promote,
        {
            "type": "promote",
            "counter": 1,
            "to": "a" * 16,
            "factory_builds": ["!" * 128] * 64,
            "note": "\U0001f600" * 500,
        },
    ),
}


@pytest.mark.parametrize(("kind", "value"), BIGGEST.values(), ids=BIGGEST.keys())
def test_largest_values_fit_the_body_limit(kind, value):
    """The largest value of each type fits into its operation's limit, even fully escaped."""
    data = json.dumps(value).encode()
    decode_body(data, kind)
    assert len(data) <= max(each.limit for each in OPERATIONS if each.request is kind)


def test_limit_of_strings_in_a_body():
    """A body with more strings than any type can have is refused before it is decoded."""
    name = b'"text":"a",'
    for times, message in ((1000, "given twice"), (2000, "more strings")):
        with pytest.raises(ProblemError, match=message):
            decode_body(b"{" + name * times + b'"text":"b"}', Text)


def test_token_in_a_body_or_query():
    """A token in a body or query is refused, and the problem does not repeat it."""
    text = f"hening_{'0a' * 6}_{'0b' * 32}"
    token = text + token_checksum(text)
    for decode, data, kind in (
        (decode_body, json.dumps({"name": f"of {token}."}).encode(), Toy),
        (decode_body, json.dumps({token: 1}).encode(), Toy),
        (decode_body, escaped(Text("of " + token)), Text),
        (decode_query, urlencode({"limit": token}), ToyQuery),
        (decode_query, urlencode({token: "1"}), None),
    ):
        with pytest.raises(ProblemError, match="revoke it") as found:
            decode(data, kind)
        assert found.value.status == 422
        assert "0b0b" not in str(found.value)


@given(st.text() | st.dictionaries(st.text(), st.text()).map(urlencode))
def test_any_query(text):
    """Any query is accepted or refused with 400 or 422; an undeclared query must be empty."""
    result = outcome(decode_query, text, ToyQuery)
    assert isinstance(result, ToyQuery) or result in {400, 422}
    assert outcome(decode_query, text, None) in ({None} if not text else {400, 422})


@given(st.integers(1, 200), st.sampled_from(["red", "green", None]), st.booleans())
def test_valid_query(limit, colour, old):
    """A valid query decodes to its values."""
    values = {"limit": str(limit), "old": str(old).lower()} | ({"colour": colour} if colour else {})
    assert decode_query(urlencode(values), ToyQuery) == ToyQuery(
        limit=limit, colour=colour, old=old
    )


@given(st.text(STORABLE, min_size=1))
def test_cursors_of_names(key):
    """A text cursor decodes to its key."""
    assert decode_cursor(encode_cursor(key), str) == key


@given(st.integers(-(2**53) + 1, 2**53 - 1))
def test_cursors_of_numbers(key):
    """A number cursor decodes to its key, and is no valid text cursor."""
    assert decode_cursor(encode_cursor(key), int) == key
    with pytest.raises(ProblemError):
        decode_cursor(encode_cursor(key), str)


@given(st.text(min_size=1))
def test_any_cursor(text):
    """Any text is refused, or is the only cursor of its key."""
    key = outcome(decode_cursor, text, str)
    assert key == 400 or encode_cursor(key) == text
