"""Exact requests, and answers that an honest server does not give."""

import pytest

from client_sim.cloud.errors import CloudError, DeceivedError, OffError, UnavailableError
from client_sim.cloud.web import PIECE, Connection, Origin, parse_origin
from tests.cases import case

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Scripted:
    """A platform with one connection, which answers with `answers`."""

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


def make_connection(platform, guard=lambda: None):
    """Return a connection to a cloud."""
    return Connection(platform, Origin("cloud.example", 443, tls=True), guard)


def test_a_request_is_exactly_these_bytes():
    """Host is first, then come the given headers and the length, and nothing else."""
    platform = Scripted(OK)
    answer = make_connection(platform).request("POST", "/x/?a=b", {"Accept": "text/plain"}, b"body")
    head = b"POST /x/?a=b HTTP/1.1\r\nHost: cloud.example\r\nAccept: text/plain\r\n"
    assert platform.sent == [head + b"Content-Length: 4\r\n\r\n", b"body"]
    assert platform.connected == [("127.0.0.1", 443, "cloud.example")]
    assert (answer.status, answer.body, answer.retry_after) == (200, b"hi", 0)


def test_one_connection_serves_several_requests():
    """A connection is reused until the server closes it."""
    platform = Scripted(OK, OK)
    connection = make_connection(platform)
    for _ in range(2):
        connection.request("GET", "/", {})
    assert len(platform.connected) == 1
    platform.answers = [OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), OK]
    for _ in range(2):
        connection.request("GET", "/", {})
    assert len(platform.connected) == 2


def test_unread_answer_is_not_taken_for_another():
    """If an answer was not read, the next request uses a new connection."""
    platform = Scripted(OK)
    connection = make_connection(platform)
    connection.begin("GET", "/one", {})
    connection.begin("GET", "/two", {})
    assert len(platform.connected) == 2
    assert connection.finish().body == b"hi"


def test_guard_is_called_before_every_piece():
    """The guard is called before name resolution, connection, head, and each of three pieces."""
    asked = []
    platform = Scripted(OK)
    connection = make_connection(platform, lambda: asked.append(len(platform.sent)))
    connection.request("PUT", "/", {}, bytes(2 * PIECE + 1))
    assert [len(data) for data in platform.sent[1:]] == [PIECE, PIECE, 1]
    assert asked == [0, 0, 0, 1, 2, 3]


def test_a_guard_that_refuses_ends_the_connection():
    """If the guard refuses, the connection is closed in the middle of the request."""
    platform = Scripted(OK)

    def refuse():
        if len(platform.sent) == 2:
            raise OffError("off")

    with pytest.raises(OffError):
        make_connection(platform, refuse).request("PUT", "/", {}, bytes(2 * PIECE))
    assert platform.is_closed
    assert len(platform.sent) == 2


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
            platform = Scripted(*answers)
            with pytest.raises(error):
                make_connection(platform).request("GET", "/", {})
            assert platform.is_closed


def test_unavailable_servers():
    """Without an address nothing is sent, and a slow server's answer is not awaited forever."""
    with pytest.raises(UnavailableError, match="no address"):
        make_connection(Scripted(addresses=())).request("GET", "/", {})
    platform = Scripted(*[b"H"] * 10)
    recv = platform.recv

    def slowly(limit):
        platform.clock += 400
        return recv(limit)

    platform.recv = slowly
    with pytest.raises(UnavailableError, match="takes too long"):
        make_connection(platform).request("GET", "/", {})


def test_malformed_paths_are_not_sent():
    """A malformed path is refused before anything is sent."""
    for path in ("/a b", "/a\r\nX: y", "/../x", "x"):
        with case(path):
            platform = Scripted(OK)
            with pytest.raises(CloudError, match="never sends"):
                make_connection(platform).request("GET", path, {})
            assert platform.sent == []


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
