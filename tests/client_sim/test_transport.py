import contextlib
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.device.answer import Pace
from client_sim.device.errors import TransportError, UnreachableError
from client_sim.transport import BLOCK, Connection, encode_block_request, encode_request
from tests.cases import case
from tests.client_sim.device.fake_world import FakeWorld
from tests.client_sim.device.repository_simulator import response

PATH = "/metadata/timestamp.json"


class Script:
    """A server that gives the same answer to each request."""

    trusted_root = b""

    def __init__(self, data):
        self.data = data

    def answer(self, _head):
        """Answer."""
        return self.data


def _connect(data, piece=1 << 16):
    world = FakeWorld(Script(data))
    world.piece = piece
    return world, Connection(world)


def _get(data, *, limit=100, piece=1 << 16):
    world, connection = _connect(data, piece)
    with connection:
        body = connection.get(PATH, limit=limit)
    assert world.streams[0].closed
    return body


def test_the_bytes_of_a_request():
    """A request has a request line, Host and one constant header.

    A range replaces Accept-Encoding, as packages are not compressed.
    """
    assert encode_request("a.example:8080", "/log/proof/latest.7") == (
        b"GET /log/proof/latest.7 HTTP/1.1\r\nHost: a.example:8080\r\nAccept-Encoding: gzip\r\n\r\n"
    )
    assert encode_block_request("a.example", "/targets/x/y/z/00.a.zip", 8388608, 8388700) == (
        b"GET /targets/x/y/z/00.a.zip HTTP/1.1\r\nHost: a.example\r\n"
        b"Range: bytes=8388608-8388700\r\n\r\n"
    )


def test_invalid_paths_are_not_sent():
    """A path with other bytes than those of the public tree is refused before a request."""
    for path in (
        *("/a?b=1", "/a b", "/a\r\nCookie: x", "/a\n", "/../a", "/a/../b", "//a"),
        *("a", "", "/a%2e", "/\u00e4", "/a/", "/a/.b", "http://x/a"),
    ):
        with case(path):
            world, connection = _connect(b"")
            with connection, pytest.raises(TransportError):
                connection.get(path, limit=1)
            assert not world.sent


def test_answers_are_read_in_any_pieces():
    """Answers with and without gzip, with length or chunked, are read from pieces of any size."""
    plain = response(b"200 OK", b"hello")
    packed = response(b"200 OK", gzip.compress(b"hello"), b"Content-Encoding: gzip")
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for piece in (1, 7, 1 << 16):
        for data in (plain, packed, head + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"):
            with case(piece, data):
                assert _get(data, piece=piece) == b"hello"


def test_one_connection_carries_all_requests():
    """The name is resolved once, and a closed connection is not reopened in a poll."""
    world, connection = _connect(response(b"200 OK", b"x"))
    with connection:
        connection.get(PATH, limit=9)
        connection.get(PATH, limit=9)
    with pytest.raises(TransportError, match="over"):
        connection.get(PATH, limit=9)
    assert len(world.resolved) == len(world.connected) == 1
    assert connection.requests == [PATH, PATH]


def test_only_the_next_root_may_be_missing():
    """404 is an answer for the next root, and an error for all other paths."""
    for status, body in ((b"200 OK", b"x"), (b"404 Not Found", None)):
        data = response(status, b"x")
        with _connect(data)[1] as connection:
            assert connection.get_or_none(PATH, limit=9) == body
    with pytest.raises(TransportError, match="404"):
        _get(data)


def test_the_limit_itself_is_allowed():
    """A body may have exactly the allowed length, compressed or not."""
    for size in (99, 100):
        with case(size):
            body = bytes(size)
            packed = response(b"200 OK", gzip.compress(body), b"Content-Encoding: gzip")
            assert _get(response(b"200 OK", body)) == _get(packed) == _get(packed, piece=1) == body


def test_a_server_that_closes_early_is_noticed():
    """`Connection: close` before the last request ends the poll."""
    with _connect(response(b"200 OK", b"x", b"Connection: close"))[1] as connection:
        connection.get(PATH, limit=9)
        with pytest.raises(TransportError, match="closed the connection"):
            connection.get(PATH, limit=9)


def test_bytes_without_a_request_are_refused():
    """A second answer to a request could be taken for the answer to the next one."""
    world, connection = _connect(response(b"200 OK", b"x") * 2)
    with connection:
        connection.get(PATH, limit=9)
        with pytest.raises(TransportError, match="without a request"):
            connection.get(PATH, limit=9)
    assert len(world.sent) == 1


def test_the_pace_of_an_answer():
    """After 30 s of grace an answer needs 1 KiB a second on average, and at most 100 s."""
    for passed, received, match in (
        (-10_000, 0, None),  # a clock that was set back
        (30, 0, None),
        (40, 10_240, None),
        (40, 10_239, "too slow"),
        (49, 20_000, None),
        (50, 20_000, "too slow"),
        (100, 1_000_000, None),
        (101, 1_000_000, "too long"),
    ):
        seconds = [1_000.0]
        pace = Pace(lambda seconds=seconds: seconds[0], 100.0)
        seconds[0] += passed
        refused = pytest.raises(TransportError, match=match) if match else contextlib.nullcontext()
        with case(passed, received), refused:
            pace.check(received)


def test_time_limit_of_a_poll():
    """Answers that each are in time may take at most 15 minutes together."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    world, connection = _connect(b"")
    start = world.clock

    def recv(_limit):
        world.clock += 29
        return answer

    world.connect = _streams(recv)
    while world.clock - start < 871:
        connection.get(PATH, limit=100)
    with pytest.raises(TransportError, match="too long"):
        connection.get(PATH, limit=100)
    assert 900 <= world.clock - start <= 930


@pytest.mark.parametrize("step", ["resolve", "connect", "send", "recv"])
def test_a_broken_network_is_unreachable(step):
    """Each OSError of the world becomes an `UnreachableError`."""
    world, connection = _connect(b"")

    def fail(*_arguments):
        raise OSError("cable pulled")

    if step in {"resolve", "connect"}:
        setattr(world, step, fail)
    else:
        world.connect = _streams(fail if step == "recv" else lambda _limit: b"")
        if step == "send":
            world.connect = _streams(lambda _limit: b"", send=fail)
    with pytest.raises(UnreachableError, match="cable pulled"):
        connection.get(PATH, limit=100)


def test_a_close_that_fails_changes_nothing():
    """An error while closing does not affect the answer."""
    world, connection = _connect(response(b"200 OK", b"x"))

    def fail():
        raise OSError("already gone")

    with connection:
        assert connection.get(PATH, limit=9) == b"x"
        world.streams[0].close = fail


def test_blocks():
    """A block is a 206 with the requested range: 8 MiB each, the last one up to the end."""
    data = response(b"206 Partial Content", b"hello", b"Content-Range: bytes 0-4/5")
    with _connect(data)[1] as connection:
        assert connection.get_block("/targets/a/b/c/0.x.zip", 0, 5) == b"hello"
    world, _ = _connect(b"")
    for first in (0, BLOCK):
        with pytest.raises(TransportError):
            Connection(world).get_block("/targets/x", first, BLOCK + 10)
    assert [data.split(b"\r\n")[2] for data in world.sent] == [
        b"Range: bytes=0-8388607",
        b"Range: bytes=8388608-8388617",
    ]


@given(st.binary(max_size=400))
def test_arbitrary_answers_raise_only_transport_error(data):
    """Arbitrary answers raise only the phone's own error."""
    for prefix in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"):
        with contextlib.suppress(TransportError):
            assert len(_get(prefix + data)) <= 100


def _streams(recv, send=lambda _data: None):
    class Stream:
        def __init__(self):
            self.recv, self.send = recv, send

        def close(self):
            """Close."""

    return lambda _address, _port, _tls: Stream()
