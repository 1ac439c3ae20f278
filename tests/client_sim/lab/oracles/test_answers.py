"""Answers are read from bytes: whole ones only, and never an exception."""

import gzip

from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.oracles.answers import Answer, decode_answers
from tests.cases import case

MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
BODY = b'{"signed":{"meta":{"snapshot.json":{"version":7}}}}'


def answer(body, more=b"", status=b"200 OK"):
    """Write one answer."""
    return b"HTTP/1.1 %s\r\n%scontent-length: %d\r\n\r\n%s" % (status, more, len(body), body)


def test_answers_follow_each_other():
    """Status and body of each; a gzip body is given without its coding."""
    packed = answer(gzip.compress(BODY), b"Content-Encoding: gzip\r\n")
    found = decode_answers(MISSING + answer(BODY) + packed)
    assert found == (Answer(404, b""), Answer(200, BODY), Answer(200, BODY))
    assert found[1].versions() == {"snapshot": 7}


def test_what_is_not_whole_is_no_answer():
    """It ends the list; what came before it stays."""
    for data in (
        b"",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
        answer(BODY, b"Content-Encoding: gzip\r\n"),
        answer(gzip.compress(BODY)[:-1], b"Content-Encoding: gzip\r\n"),
        answer(BODY, b"Content-Encoding: br\r\n"),
        answer(BODY, b"Content-Encoding: gzip:\r\n"),
        answer(gzip.compress(bytes(5_000_001)), b"Content-Encoding: gzip\r\n"),
        answer(b"", status=b"2000 OK"),
        answer(b"", status=b" 200 OK"),
        b"HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 00000000000000000\r\n\r\n",
    ):
        with case(data):
            assert decode_answers(MISSING + data) == (Answer(404, b""),)


def test_other_bodies_name_no_versions():
    """No metadata, no versions."""
    for body in (
        *(b"", b"[]", b'{"signed":1}', b'{"signed":{"meta":[]}}', b"[" * 2000),
        *(b'{"signed":{"meta":{"a.json":1}}}', b'{"signed":{"meta":{"a.json":{"version":"1"}}}}'),
    ):
        with case(body):
            assert Answer(200, body).versions() == {}


@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_raise(data):
    """A hostile server ends the list and nothing else."""
    decode_answers(data)
    (found,) = decode_answers(answer(data))
    assert isinstance(found.versions(), dict)


def test_a_role_lists_the_hashes_of_its_targets():
    """Those that are texts, under sha256; what is none is passed over."""
    body = (
        b'{"signed":{"targets":{"a":{"hashes":{"sha256":"00","sha512":"11"}},"b":1,'
        b'"c":{"hashes":[]},"d":{"hashes":{"sha256":2}},"e":{"hashes":{"sha256":"33"}}}}}'
    )
    assert Answer(200, body).hashes() == {"a": "00", "e": "33"}
    assert Answer(200, b'{"signed":{"targets":[]}}').hashes() == {}
    assert Answer(200, BODY).hashes() == {}
