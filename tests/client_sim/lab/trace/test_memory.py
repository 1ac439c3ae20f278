"""A world in memory: answers arrive in pieces, late, or not to the end, and names may fail."""

from ipaddress import ip_address, ip_network

import pytest

from client_sim.lab.trace.memory import Entropy, MemoryWorld, Pieces, is_private, list_addresses
from tests.cases import case

SHARED = ip_network("100.64.0.0/10")
ANSWER = b"0123456789"


@pytest.fixture
def open_world(public):
    """Make a world at time 0 whose server says one thing."""

    def make(said):
        return MemoryWorld(
            public, None, entropy=Entropy(b"e"), start=0.0, respond=lambda _asked: said
        )

    return make


def ask(world):
    """Connect and ask for something."""
    stream = world.connect("198.51.100.1", 80, None)
    stream.send(b"GET")
    return stream


def test_pieces_arrive_one_by_one_and_take_their_time(open_world):
    """A piece is not received with the next one; the rest comes at once.

    Whoever waits in vain has waited. Behind a break each call fails, after another request, too.
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


def test_who_reads_on_waits_until_a_server_that_keeps_the_connection_ends_it(open_world):
    """That is once; behind any other answer the server has hung up already."""
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


class Hidden:
    """A server that is found out about before it is asked; `kept` has what it was asked with."""

    def __init__(self, port):
        self.port = port
        self.kept = []

    def __call__(self, asked):
        """Answer, whatever is asked."""
        return ANSWER if asked.data else b""

    def reach(self, asked):
        """Fail at a port: 0 is that of names."""
        self.kept.append((asked.data, asked.address, asked.port, asked.connection))
        if asked.port == self.port:
            raise OSError("not reached")


def test_names_and_connections_fail_where_the_server_says_so(public):
    """A name that fails uses up the connection that was to follow it."""
    for port in (0, 80):
        server = Hidden(port)
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


def test_what_nobody_has_read_is_told(open_world):
    """An answer that was not fetched, and one that was in part; a closed connection has none."""
    stream = ask(open_world(ANSWER))
    assert stream.is_unread()
    stream.recv(4)
    assert stream.is_unread()
    stream.recv(9)
    assert not stream.is_unread()
    stream.send(b"GET")
    stream.close()
    assert not stream.is_unread()


def test_a_server_has_two_addresses_that_belong_to_nobody():
    """The same in all worlds, others for another name, some private, none for documentation."""
    hosts = [f"host{number}.example" for number in range(50)]
    for host in hosts:
        first, second = map(ip_address, list_addresses(host))
        assert (first.is_private, second.is_private) == (is_private(host),) * 2
        assert (first in SHARED, second in SHARED) == (not is_private(host),) * 2
        assert first != second
        assert list_addresses(host) == [str(first), str(second)]
    assert len({list_addresses(host)[0] for host in hosts}) == 50
    assert {list_addresses(host)[0].split(".")[0] for host in hosts} == {"10", "100", "172", "192"}
