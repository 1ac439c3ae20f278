"""Heads of answers under the rules of FORMATS section 9."""

import pytest

from client_sim.fleet.answers import Head, Heads, decode_head

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nContent-Encoding: gzip"


def test_what_a_phone_looks_at_is_read():
    """Status, length, coding and range; names in any case."""
    assert decode_head(GOOD) == Head(200, 12, is_gzip=True)
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
    assert heads.find(GOOD) is heads.find(bytes(bytearray(GOOD)))
