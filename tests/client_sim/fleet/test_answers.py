"""Parsing of answers (RFC 9112, section 6), and their heads as FORMATS section 9 has them."""

import pytest

from client_sim.fleet.answers import AnswerFault, Head, cut_answers, decode_head, read_answers
from tests.cases import case

GONE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n"
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
PACKED = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nContent-Encoding: gzip"


def test_complete_answers_are_cut_by_length():
    """`cut_answers` returns all answers once they are complete, `read_answers` those that are."""
    data = GONE + GOOD
    first, second = cut_answers(data, 2)
    assert (first.head.status, first.body, first.raw) == (404, b"no\n", GONE)
    assert (second.head.status, second.body, second.raw) == (200, b"hello", GOOD)
    for end in range(len(data)):
        assert cut_answers(data[:end], 2) is None, end
        assert len(list(read_answers(data[:end]))) == (end >= len(GONE)), end


def test_faults_of_answers():
    """Each fault has its sentence; those of heads are in FORMATS section 9."""
    for data, words in (
        (GONE + GOOD + b"x", "more bytes than the answers have"),
        (GONE + b"x" * 70_000, "a head is too long"),
        (GONE + b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n", "a body of 9999999 bytes"),
    ):
        with case(words), pytest.raises(AnswerFault, match=words):
            cut_answers(data, 2)
    for head, words in (
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1", "HTTP/1.1"),
        (b"HTTP/1.1 100 Continue", "final"),
        (b"HTTP/1.1 200 OK", "length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", "length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Encoding: br", "coding"),
        (b"SSH-2.0-OpenSSH_9.9", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 16_384, "too long"),
    ):
        with case(head), pytest.raises(AnswerFault, match=words):
            cut_answers(GONE + head + b"\r\n\r\n", 2)


def test_decoded_fields_of_a_head():
    """Header names may have any case. A 304 has no body: RFC 9112, section 6.3."""
    assert decode_head(PACKED) == Head(200, 12, is_gzip=True)
    block = b"HTTP/1.1 206 Partial Content\r\ncontent-length: 3\r\nContent-Range: bytes 0-2/9"
    assert decode_head(block) == Head(206, 3, content_range=b"bytes 0-2/9")
    head = b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 9\r\n\r\n'
    (came,) = cut_answers(head, 1)
    assert (came.head.status, came.body, came.head.fields[b"etag"]) == (304, b"", b'"a"')
