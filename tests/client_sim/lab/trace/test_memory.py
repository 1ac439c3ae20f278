"""A world in memory delivers answers in pieces, late or incompletely, and its names may fail."""

from ipaddress import ip_address, ip_network

import pytest

from client_sim.lab.trace.memory import Entropy, MemoryWorld, Pieces, is_private, list_addresses
from tests.cases import case

SHARED = ip_network("100.64.0.0/10")
ANSWER = b"0123456789"


@pytest.fixture
def open_world(public):
    """Return a function that makes a world at time 0 whose server always gives this answer."""

    def make(answer):
        return MemoryWorld(
            public, None, entropy=Entropy(b"e"), start=0.0, respond=lambda _asked: answer
        )

    return make


def ask(world):
    """Connect and send a request."""
    stream = world.connect("198.51.100.1", 80, None)
    stream.send(b"GET")
    return stream


def test_pieces_arrive_separately_and_in_time(open_world):
    """Each read returns at most one piece; the rest arrives immediately.

    A timeout takes its time. After an error each call fails, also after another request.
    """
    world = open_world(Pieces(ANSWER, [(1.5, 3), (2.0, 4)]))
    stream = ask(world)
    received = [(stream.recv(2), world.now()) for _ in range(5)]
    assert received == [(b"01", 1.5), (b"2", 1.5), (b"34", 3.5), (b"56", 3.5), (b"78", 3.5)]
    assert stream.recv(9) == b"9"
    assert stream.recv(9) == b""
    world = open_world(Pieces(b"", [(30.0, 1)], error=TimeoutError("timed out")))
    stream = ask(world)
    with pytest.raises(TimeoutError):
        stream.recv(64)
    assert world.now() == 30.0
    stream = ask(open_world(Pieces(ANSWER, error=ConnectionResetError("reset"))))
    assert stream.recv(64) == ANSWER
    stream.send(b"GET")
    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            stream.recv(64)


def test_reading_after_a_kept_alive_answer_waits(open_world):
    """The server closes an idle connection after 15 s, and others right after the answer."""
    for head, waited in (
        (b"Content-Length: 2", 15.0),
        (b"Content-Length: 9", 0.0),
        (b"Server: a", 0.0),
        (b"Content-Length: 2\r\nConnection: close", 0.0),
    ):
        with case(head):
            world = open_world(b"HTTP/1.1 200 OK\r\n%s\r\n\r\nhi" % head)
            stream = ask(world)
            assert stream.recv(4096).endswith(b"hi")
            assert world.now() == 0.0
            assert [stream.recv(1), stream.recv(1)] == [b"", b""]
            assert world.now() == waited


class Unreachable:
    """A server that fails at a port before it is asked; `kept` has the attempts."""

    def __init__(self, port):
        self.port = port
        self.kept = []

    def __call__(self, asked):
        """Answer every request."""
        return ANSWER if asked.data else b""

    def reach(self, asked):
        """Fail at the port; names have port 0."""
        self.kept.append((asked.data, asked.address, asked.port, asked.connection))
        if asked.port == self.port:
            raise OSError("not reached")


def test_names_and_connections_can_fail(public):
    """A failed name uses up the number of the next connection."""
    for port in (0, 80):
        server = Unreachable(port)
        world = MemoryWorld(public, None, entropy=Entropy(b"e"), start=0.0, respond=server)
        if port:
            world.resolve(public.host)
            with pytest.raises(OSError, match="not reached"):
                world.connect("198.51.100.1", 80, None)
        else:
            with pytest.raises(OSError, match="not reached"):
                world.resolve(public.host)
            world.connect("198.51.100.1", 80, None)
        assert server.kept == [
            (b"", public.host, 0, 0),
            (b"", "198.51.100.1", 80, 0 if port else 1),
        ]


def test_unread_bytes_of_a_stream(open_world):
    """Unread and partly read answers count, but not after a close."""
    stream = ask(open_world(ANSWER))
    assert stream.is_unread()
    stream.recv(4)
    assert stream.is_unread()
    stream.recv(9)
    assert not stream.is_unread()
    stream.send(b"GET")
    stream.close()
    assert not stream.is_unread()


def test_addresses_of_a_server():
    """A name has two private or two shared addresses (RFC 6598), the same in all worlds."""
    hosts = [f"host{number}.example" for number in range(50)]
    for host in hosts:
        first, second = map(ip_address, list_addresses(host))
        assert (first.is_private, second.is_private) == (is_private(host),) * 2
        assert (first in SHARED, second in SHARED) == (not is_private(host),) * 2
        assert first != second
        assert list_addresses(host) == [str(first), str(second)]
    assert len({list_addresses(host)[0] for host in hosts}) == 50
    assert {list_addresses(host)[0].split(".")[0] for host in hosts} == {"10", "100", "172", "192"}
