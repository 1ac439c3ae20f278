"""Exact requests, and answers that an honest server does not give."""

import pytest

from client_sim.cloud.errors import CloudError, DeceivedError, OffError, UnavailableError
from client_sim.cloud.web import PIECE, Line, Origin, parse_origin
from tests.cases import case

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Scripted:
    """An outside world with one connection, which answers with `answers`."""

    def __init__(self, *answers, addresses=("127.0.0.1",)):
        self.answers, self.addresses = list(answers), addresses
        self.sent, self.connected, self.is_closed, self.clock = [], [], False, 0.0

    def entropy(self, n):
        """Fail, because requests need no randomness."""
        raise AssertionError(n)

    def now(self):
        """Return the time."""
        return self.clock

    def resolve(self, _host):
        """Return the addresses."""
        return self.addresses

    def connect(self, *where):
        """Connect."""
        self.connected.append(where)
        return self

    def send(self, data):
        """Record the bytes."""
        self.sent.append(data)

    def recv(self, _limit):
        """Return the next piece of the answer."""
        return self.answers.pop(0) if self.answers else b""

    def close(self):
        """Close."""
        self.is_closed = True


def make_line(outside, guard=lambda: None):
    """Return a line to a cloud."""
    return Line(outside, Origin("cloud.example", 443, tls=True), guard)


def test_a_request_is_exactly_these_bytes():
    """Host is first, then come the given headers and the length, and nothing else."""
    outside = Scripted(OK)
    answer = make_line(outside).ask("POST", "/x/?a=b", {"Accept": "text/plain"}, b"body")
    head = b"POST /x/?a=b HTTP/1.1\r\nHost: cloud.example\r\nAccept: text/plain\r\n"
    assert outside.sent == [head + b"Content-Length: 4\r\n\r\n", b"body"]
    assert outside.connected == [("127.0.0.1", 443, "cloud.example")]
    assert (answer.status, answer.body, answer.retry_after) == (200, b"hi", 0)


def test_one_connection_serves_several_requests():
    """A connection is reused until the server closes it."""
    outside = Scripted(OK, OK)
    line = make_line(outside)
    for _ in range(2):
        line.ask("GET", "/", {})
    assert len(outside.connected) == 1
    outside.answers = [OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), OK]
    for _ in range(2):
        line.ask("GET", "/", {})
    assert len(outside.connected) == 2


def test_unread_answer_is_not_taken_for_another():
    """If an answer was not read, the next request uses a new connection."""
    outside = Scripted(OK)
    line = make_line(outside)
    line.begin("GET", "/one", {})
    line.begin("GET", "/two", {})
    assert len(outside.connected) == 2
    assert line.finish().body == b"hi"


def test_guard_is_called_before_every_piece():
    """The guard is called before name resolution, connection, head, and each of three pieces."""
    asked = []
    outside = Scripted(OK)
    line = make_line(outside, lambda: asked.append(len(outside.sent)))
    line.ask("PUT", "/", {}, bytes(2 * PIECE + 1))
    assert [len(data) for data in outside.sent[1:]] == [PIECE, PIECE, 1]
    assert asked == [0, 0, 0, 1, 2, 3]


def test_a_guard_that_refuses_ends_the_connection():
    """If the guard refuses, the connection is closed in the middle of the request."""
    outside = Scripted(OK)

    def refuse():
        if len(outside.sent) == 2:
            raise OffError("off")

    with pytest.raises(OffError):
        make_line(outside, refuse).ask("PUT", "/", {}, bytes(2 * PIECE))
    assert outside.is_closed
    assert len(outside.sent) == 2


def test_other_answers_are_refused():
    """Empty, foreign, interim, truncated and endless answers are refused; the connection ends."""
    for answers, error in (
        ((b"",), UnavailableError),
        ((b"SSH-2.0\r\n\r\n",), DeceivedError),
        ((b"HTTP/1.1 100 Continue\r\n\r\n",), DeceivedError),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", b""), (DeceivedError, CloudError)),
        ((b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000,), DeceivedError),
    ):
        with case(answers, error):
            outside = Scripted(*answers)
            with pytest.raises(error):
                make_line(outside).ask("GET", "/", {})
            assert outside.is_closed


def test_unavailable_servers():
    """Without an address nothing is sent, and a slow server's answer is not awaited forever."""
    with pytest.raises(UnavailableError, match="no address"):
        make_line(Scripted(addresses=())).ask("GET", "/", {})
    outside = Scripted(*[b"H"] * 10)
    recv = outside.recv

    def slowly(limit):
        outside.clock += 400
        return recv(limit)

    outside.recv = slowly
    with pytest.raises(UnavailableError, match="takes too long"):
        make_line(outside).ask("GET", "/", {})


def test_malformed_paths_are_not_sent():
    """A malformed path is refused before anything is sent."""
    for path in ("/a b", "/a\r\nX: y", "/../x", "x"):
        with case(path):
            outside = Scripted(OK)
            with pytest.raises(CloudError, match="never sends"):
                make_line(outside).ask("GET", path, {})
            assert outside.sent == []


def test_origins():
    """An origin may have a port; anything else is refused with a message."""
    for text, origin in (
        ("https://cloud.example", Origin("cloud.example", 443, tls=True)),
        ("https://cloud.example:8443/", Origin("cloud.example", 8443, tls=True)),
        ("http://127.0.0.1:8090", Origin("127.0.0.1", 8090, tls=False)),
    ):
        assert parse_origin(text) == origin
    for text in (
        "",
        "cloud.example",
        "ftp://a",
        "https://a/b",
        "https://a?b",
        "https://a#b",
        "https://a:x",
    ):
        with pytest.raises(CloudError, match="not an origin"):
            parse_origin(text)
