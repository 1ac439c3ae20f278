"""Only complete answers are decoded, and no bytes raise an exception."""

import gzip

from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.oracles.answers import Answer, decode_answers
from tests.cases import case

MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
BODY = b'{"signed":{"meta":{"snapshot.json":{"version":7}}}}'


def encode_answer(body, more=b"", status=b"200 OK"):
    """Encode an answer with these bytes as its body."""
    return b"HTTP/1.1 %s\r\n%scontent-length: %d\r\n\r\n%s" % (status, more, len(body), body)


def test_decode_several_answers():
    """Each answer has a status and a body without gzip."""
    packed = encode_answer(gzip.compress(BODY), b"Content-Encoding: gzip\r\n")
    found = decode_answers(MISSING + encode_answer(BODY) + packed)
    assert found == (Answer(404, b""), Answer(200, BODY), Answer(200, BODY))
    assert found[1].versions() == {"snapshot": 7}


def test_incomplete_or_malformed_answer_ends_the_list():
    """The answers before it are returned."""
    for data in (
        b"",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
        encode_answer(BODY, b"Content-Encoding: gzip\r\n"),
        encode_answer(gzip.compress(BODY)[:-1], b"Content-Encoding: gzip\r\n"),
        encode_answer(BODY, b"Content-Encoding: br\r\n"),
        encode_answer(BODY, b"Content-Encoding: gzip:\r\n"),
        encode_answer(gzip.compress(bytes(5_000_001)), b"Content-Encoding: gzip\r\n"),
        encode_answer(b"", status=b"2000 OK"),
        encode_answer(b"", status=b" 200 OK"),
        b"HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 00000000000000000\r\n\r\n",
    ):
        with case(data):
            assert decode_answers(MISSING + data) == (Answer(404, b""),)


def test_body_without_versions():
    """A body that is not metadata with versions has none."""
    for body in (
        *(b"", b"[]", b'{"signed":1}', b'{"signed":{"meta":[]}}', b"[" * 2000),
        *(b'{"signed":{"meta":{"a.json":1}}}', b'{"signed":{"meta":{"a.json":{"version":"1"}}}}'),
    ):
        with case(body):
            assert Answer(200, body).versions() == {}


@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_raise(data):
    """Arbitrary bytes raise no exception, as answers or as a body."""
    decode_answers(data)
    (found,) = decode_answers(encode_answer(data))
    assert isinstance(found.versions(), dict)


def test_hashes_of_targets():
    """The sha256 of each well-formed target is returned; other entries are skipped."""
    body = (
        b'{"signed":{"targets":{"a":{"hashes":{"sha256":"00","sha512":"11"}},"b":1,'
        b'"c":{"hashes":[]},"d":{"hashes":{"sha256":2}},"e":{"hashes":{"sha256":"33"}}}}}'
    )
    assert Answer(200, body).hashes() == {"a": "00", "e": "33"}
    assert Answer(200, b'{"signed":{"targets":[]}}').hashes() == {}
    assert Answer(200, BODY).hashes() == {}
