"""Answers cut out of bytes: RFC 9112, section 6."""

import pytest

from client_sim.fleet.answers import AnswerFault, Answers

GONE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n"
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def test_whole_answers_are_cut_where_their_lengths_say():
    """Head, body, and all their bytes."""
    first, second = Answers().cut(GONE + GOOD, 2)
    assert (first.head.status, first.body, first.whole) == (404, b"no\n", GONE)
    assert (second.head.status, second.body, second.whole) == (200, b"hello", GOOD)


@pytest.mark.parametrize("end", range(len(GONE + GOOD)))
def test_nothing_is_cut_before_all_is_there(end):
    """Whatever is missing."""
    assert Answers().cut((GONE + GOOD)[:end], 2) is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (GONE + GOOD + b"x", "more bytes than the answers have"),
        (GONE + b"SSH-2.0-x\r\n\r\n", "an answer is no HTTP"),
        (GONE + b"HTTP/1.1 200 OK\r\n\r\n", "an answer states no length"),
        (GONE + b"x" * 70_000, "a head is too long"),
        (GONE + b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", "a body of 9999999 bytes"),
    ],
)
def test_anything_else_is_a_fault(data, said):
    """The sentence says what it is."""
    with pytest.raises(AnswerFault, match=said):
        Answers().cut(data, 2)
