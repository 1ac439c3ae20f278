"""A phone reads the same from answers that are parsed once, and from those that are not whole."""

import gzip

import h11
import pytest

from client_sim.device.answer import AnswerReader
from client_sim.device.errors import TransportError
from client_sim.lab.servers.memo import memoised
from client_sim.lab.servers.parsed_answers import RememberingParser

DATE = b"Date: Thu, 01 Jan 2026 07:08:09 GMT\r\n"
GOOD = b"HTTP/1.1 200 OK\r\n" + DATE + b"Content-Length: 4\r\n\r\nbody"
ZIPPED = gzip.compress(b"packed")
ANSWERS = {
    "whole": [GOOD],
    "two": [GOOD, b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"],
    "without a body": [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", GOOD],
    "chunks": [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    ],
    "gzip": [
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(ZIPPED)
        + ZIPPED
    ],
    "another coding": [GOOD.replace(DATE, b"Content-Encoding: br\r\n")],
    "a range": [GOOD.replace(DATE, b"Content-Range: bytes 0-3/9\r\n")],
    "cut": [GOOD[:-1]],
    "cut, then whole": [GOOD, GOOD[:-1]],
    "more than was asked for": [GOOD + b"x", GOOD],
    "the last one": [GOOD.replace(DATE, b"Connection: close\r\n"), GOOD],
    "no length": [b"HTTP/1.1 200 OK\r\n\r\nbody"],
    "HTTP/1.0": [GOOD.replace(b"1.1", b"1.0"), GOOD],
    "informational": [b"HTTP/1.1 103 Early Hints\r\n\r\n" + GOOD],
    "no HTTP": [b"SSH-2.0-OpenSSH\r\n"],
    "nothing": [b""],
    "too long a head": [GOOD.replace(DATE, b"X: " + b"x" * 20_000 + b"\r\n")],
    "a head of a byte too many": [GOOD.replace(DATE, DATE + b"X: " + b"x" * 16_336 + b"\r\n")],
    "a body that looks like a date": [
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n\r\n" % (len(DATE) + 2) + DATE
    ],
    "longer than what is kept": [
        b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + b"m" * 70_000,
        GOOD,
    ],
}


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Leave the memo to each test."""


class Wire:
    """Gives answers, one for each call of `ask`, in pieces of so many bytes."""

    def __init__(self, answers, piece):
        self.answers, self.piece, self.data = list(answers), piece, b""

    def ask(self):
        """Let the next answer come."""
        self.data += self.answers.pop(0)

    def recv(self, limit):
        """Give a piece."""
        size = min(self.piece, limit)
        piece, self.data = self.data[:size], self.data[size:]
        return piece


def read(answers, piece):
    """Read answers over one connection; give what a phone makes of each."""
    wire, said = Wire(answers, piece), []
    reader = AnswerReader(wire, lambda: 0.0)
    for _ in answers:
        try:
            reader.expect("/metadata/1.root.json", "updates.example.org")
            wire.ask()
            said.append(reader.read(limit=100_000, seconds=9.0, may_compress=True))
        except TransportError as error:
            return [*said, repr(error)]
    return said


@pytest.mark.parametrize("piece", [97, 65_536])
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_says_the_same_to_a_phone_whether_it_was_parsed_before(name, piece):
    """The first time, and again."""
    usual = read(ANSWERS[name], piece)
    with memoised():
        assert read(ANSWERS[name], piece) == usual
        assert read(ANSWERS[name], piece) == usual


def test_answers_that_differ_in_date_tag_or_body_are_parsed_once():
    """Their heads are one object and their bodies their own; another head is another object."""

    def parse(data):
        parser = RememberingParser(h11.Connection(h11.CLIENT))
        parser.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
        parser.send(h11.EndOfMessage())
        parser.receive_data(data)
        return parser.next_event(), parser.next_event().data

    tagged = GOOD.replace(DATE, DATE + b'ETag: "sha256-%s"\r\n' % (b"3" * 64))
    for answer in (GOOD, tagged):
        first, body = parse(answer)
        assert body == b"body"
        for one, other in ((b"07:08:09", b"23:59:58"), (b"3" * 64, b"4" * 64)):
            assert parse(answer.replace(one, other)) == (first, b"body")
            assert parse(answer.replace(one, other))[0] is first
        changed = parse(answer.replace(b"body", b"else"))
        assert changed[0] is first
        assert changed[1] == b"else"
    assert parse(GOOD)[0] is not first
