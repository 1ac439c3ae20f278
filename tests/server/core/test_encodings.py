import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.encodings import (
    check_schema,
    check_sha256,
    decode_canonical_json,
    decode_decimal,
    encode_canonical_json,
    is_sha256,
)
from server.core.errors import FormatError, HeningError
from tests.cases import refuse_each
from tests.strategies import canonical_values, json_values


def nested(levels):
    """Return lists nested to this depth."""
    value = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_canonical_json_encoding():
    """Canonical JSON has the bytes of FORMATS section 1, with keys sorted by code point."""
    value = {"é": '\n\x01"\\/\x7f', "Z": [True, None, -1], "a": {}}
    expected = '{"Z":[true,null,-1],"a":{},"é":"\\n\\u0001\\"\\\\/\x7f"}\n'
    assert encode_canonical_json(value) == expected.encode()
    assert encode_canonical_json({"\U00010000": 1, "\ufffd": 2}) == (
        b'{"\xef\xbf\xbd":2,"\xf0\x90\x80\x80":1}\n'
    )


@given(canonical_values)
def test_canonical_json_round_trip(value):
    """Every value of the format decodes to itself."""
    assert decode_canonical_json(encode_canonical_json(value), limit=10**6) == value


@given(st.binary(max_size=200) | json_values.map(lambda v: json.dumps(v).encode()))
def test_canonical_json_has_one_encoding(data):
    """Arbitrary bytes raise our error or are the only encoding of their value."""
    try:
        value = decode_canonical_json(data, limit=10**6)
    except HeningError:
        return
    assert encode_canonical_json(value) == data


def test_non_canonical_json_is_refused():
    """White space, duplicates, another order, floats and escapes are refused."""
    bad = [
        *(b"", b"{}", b"{}\n\n", b" {}\n", b"{ }\n", b'{"a":1,"a":1}\n', b'{"b":1,"a":1}\n'),
        *(b'{"a":1.0}\n', b'{"a":1e3}\n', b"NaN\n", b"Infinity\n", b"-Infinity\n", b"-0\n"),
        *(b"01\n", b'"\\u0041"\n', b'"\\/"\n', b'"\\ud800"\n', b"\xef\xbb\xbf{}\n"),
        *("{}\n".encode("utf-16"), b'"\xff"\n', b"9" * 5000 + b"\n"),
        b"[" * 100_000 + b"]" * 100_000 + b"\n",
    ]
    refuse_each(FormatError, lambda data: decode_canonical_json(data, limit=10**6), bad)


def test_nesting_limit():
    """Sixteen levels of nesting are accepted, seventeen are refused."""
    assert decode_canonical_json(b"[" * 16 + b"]" * 16 + b"\n", limit=99) == nested(16)
    with pytest.raises(FormatError, match="16 levels"):
        decode_canonical_json(b"[" * 17 + b"]" * 17 + b"\n", limit=99)
    with pytest.raises(FormatError, match="16 levels"):
        encode_canonical_json(nested(17))


def test_size_limit_is_checked_before_parsing():
    """A file over its limit is refused before it is parsed."""
    assert decode_canonical_json(b'"a"\n', limit=4) == "a"
    with pytest.raises(FormatError, match="of 5 bytes is over the limit of 4"):
        decode_canonical_json(b"{{{{{", limit=4)


def test_values_without_canonical_form_are_refused():
    """Floats, tuples, other keys than strings and lone surrogates are refused."""
    bad = [1.0, float("nan"), b"a", (1,), {1: 2}, {True: 2}, {None: 2}, "\ud800", {"a": {1}}]
    refuse_each(FormatError, encode_canonical_json, bad)
    with pytest.raises(FormatError):
        encode_canonical_json(10**5000)


@given(st.integers(0, 2**53 - 1))
def test_decimal_round_trip(number):
    """A number's decimal form is that of `str`."""
    assert decode_decimal(str(number)) == number


def test_malformed_decimals_are_refused():
    """Signs, spaces, underscores, leading zeros and non-ASCII digits are refused."""
    bad = [
        *("", " 42", "42 ", "42\n", " 4_2 ", "4_2", "+1", "-1", "-0", "00", "01", "0x1", "1e3"),
        *("1.0", "\u0661", "\uff11", "\u00b2", "9007199254740992", "10000000000000000", "True"),
        "9" * 5000,
    ]
    refuse_each(FormatError, decode_decimal, bad)


@given(st.text())
def test_decimals_have_one_encoding(text):
    """Any text is refused or is the only spelling of its number."""
    try:
        number = decode_decimal(text)
    except HeningError:
        return
    assert str(number) == text


def test_sha256_is_64_lower_case_hex_digits():
    """Other lengths, upper case, a newline and non-ASCII digits are refused."""
    check_sha256("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    bad = ["", "A" * 64, "a" * 63, "a" * 65, "a" * 64 + "\n", "\uff11" * 64]
    refuse_each(FormatError, check_sha256, bad)
    assert not any(is_sha256(value) for text in bad for value in (text, [text]))


def test_unknown_schemas_are_refused():
    """Without `schema` 1 a value is refused, and the message says so."""
    check_schema("a", {"v": 1}, "v")
    with pytest.raises(FormatError, match="has schema '2'; this version knows schema 1 only"):
        check_schema("a", {"v": 2}, "v")
    bad = [None, [], "x", 1, True, [["schema", 1]], {"Schema": 1}]
    sentence = "no `custom` object with a `schema`"
    refuse_each(FormatError, lambda custom: check_schema("a", custom, "schema"), bad, sentence)
