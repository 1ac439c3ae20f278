"""Answers cut out of bytes (RFC 9112, section 6), and heads under FORMATS section 9."""

import pytest

from client_sim.fleet.answers import AnswerFault, Answers, Head, Heads, decode_head

GONE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n"
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
PACKED = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nContent-Encoding: gzip"


def test_whole_answers_are_cut_where_their_lengths_say():
    """Head, body, and all their bytes."""
    first, second = Answers().cut(GONE + GOOD, 2)
    assert (first.head.status, first.body, first.whole) == (404, b"no\n", GONE)
    assert (second.head.status, second.body, second.whole) == (200, b"hello", GOOD)


def test_nothing_is_cut_before_all_is_there():
    """Whatever is missing; the answers before it can be read."""
    data = GONE + GOOD
    for end in range(len(data)):
        assert Answers().cut(data[:end], 2) is None, end
        assert len(list(Answers().read(data[:end]))) == (end >= len(GONE)), end


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


def test_what_a_phone_looks_at_is_read():
    """Status, length, coding and range; names in any case."""
    assert decode_head(PACKED) == Head(200, 12, is_gzip=True)
    block = b"HTTP/1.1 206 Partial Content\r\ncontent-length: 3\r\nContent-Range: bytes 0-2/9"
    assert decode_head(block) == Head(206, 3, content_range=b"bytes 0-2/9")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1", "HTTP/1.1"),
        (b"HTTP/1.1 100 Continue", "final"),
        (b"HTTP/1.1 200 OK", "length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", "length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Encoding: br", "coding"),
        (b"SSH-2.0-OpenSSH_9.9", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 16_384, "too long"),
    ],
)
def test_what_is_refused_says_why(data, why):
    """Everything that section 9 lists for a head."""
    assert why in decode_head(data).fault


def test_a_head_is_decoded_once():
    """The same bytes give the same object."""
    heads = Heads()
    assert heads.find(PACKED) is heads.find(bytes(bytearray(PACKED)))


def test_a_304_has_no_body():
    """Whatever it says of its length: RFC 9112, section 6.3."""
    head = b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 9\r\n\r\n'
    (came,) = Answers().cut(head, 1)
    assert (came.head.status, came.body, came.head.fields[b"etag"]) == (304, b"", b'"a"')
