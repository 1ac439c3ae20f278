"""What may be about the owner is covered, and words stay readable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.captures.redaction import redact, show_value


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"imei=001017123456785&a=b", b"imei=***************&a=b"),
        (b"tel: +999 123-456 789\r\n", b"tel: ****************\r\n"),
        (b"tel=%2B99912345678901&", b"tel=*****************&"),
        (b"mac=02:00:5e:10:00:07;", b"mac=*****************;"),
        (b"to sari.f@example.org\r\n", b"to ******************\r\n"),
        (b"X: c2VydmljZS10b2tlbg==\r\n", b"X: ********************\r\n"),
        (b"q=0a1b2c3d4e5f6071", b"q=****************"),
        (b"lat=-5.123456", b"lat=-********"),
        (b"GET /metadata/12.root.json HTTP/1.1", b"GET /metadata/12.root.json HTTP/1.1"),
        (b"User-Agent: Dalvik/1.6.0 (Linux; U; Android 4.2.2)", None),
        (b"Content-Type: application/x-www-form-urlencoded", None),
    ],
)
def test_identifiers_are_covered_and_words_are_not(data, shown):
    """Byte by byte, so that offsets stay."""
    assert redact(data, ()) == (data if shown is None else shown)


def test_what_was_found_is_covered_whatever_it_looks_like():
    """Names look like words."""
    assert redact(b"owner=Sari Fiktif&", [(6, 11)]) == b"owner=***********&"
    assert redact(b"abc", [(-2, 3), (2, 100)]) == b"*b*"


@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(-9, 300), st.integers(0, 99))))
def test_the_length_stays(data, found):
    """Whatever was found, wherever."""
    assert len(redact(data, found)) == len(data)


def test_a_value_in_a_sentence():
    """Its length, unless it is to be shown."""
    assert show_value(b"abc", personal=False) == "[3 bytes, not shown]"
    assert show_value(b"a\xff", personal=True) == "a\\xff"
