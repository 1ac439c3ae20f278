"""In which order accepted connections are read, and which of them give way."""

import asyncio
import contextlib
import socket

import pytest

from server.release.api import arrivals
from server.release.api.arrivals import Arrivals, find_token, peek
from server.release.errors import Share

KNOWN = b"POST / HTTP/1.1\r\nAuthorization: Bearer good\r\n\r\n"
OTHER = b"POST / HTTP/1.1\r\nAuthorization: Bearer bad\r\n\r\n"


class Door:
    """A listening socket, and clients whose connections wait at it."""

    def __init__(self, listener, stack):
        self.listener = listener
        self._stack = stack
        self.limits = []

    def arrivals(self, limit=100):
        """Give what takes them in; the token `good` is known."""
        made = Arrivals(self.listener, "good".__eq__, limit, self.limits.append, b"parting")
        self._stack.callback(made.close)
        return made

    def client(self, data=b""):
        """Connect, and send something."""
        client = self._stack.enter_context(socket.create_connection(self.listener.getsockname()))
        client.sendall(data)
        return client

    async def take(self, found):
        """Return the port of the client whose connection is next."""
        async with asyncio.timeout(60):
            one = await found.take()
        self._stack.callback(one.close)
        return one.getpeername()[1]


@pytest.fixture
def door():
    """Give a listening socket."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.setblocking(False)
        yield Door(listener, stack)


def port(client):
    """Return a client's port."""
    return client.getsockname()[1]


async def test_known_tokens_go_first(door):
    """Then those whose head is there, then silent ones, each by arrival."""
    sent = (b"", OTHER, b"POST ", KNOWN, b"GET / HTTP/1.1\r\n\r\n", KNOWN)
    ports = [port(door.client(data)) for data in sent]
    found = door.arrivals()
    assert [await door.take(found) for _ in sent] == [ports[i] for i in (3, 5, 1, 4, 0, 2)]
    assert door.limits == []


async def test_a_head_that_comes_later(door):
    """Its connection goes where it belongs as soon as the head is there."""
    late, *others = [door.client(data) for data in (b"", OTHER, OTHER, OTHER)]
    found = door.arrivals()
    assert await door.take(found) == port(others[0])
    late.sendall(KNOWN)
    assert await door.take(found) == port(late)


async def test_each_is_looked_at_once(door, monkeypatch):
    """However many turns a part of a head waits: each look may take a turn of another thread."""
    looks = []
    monkeypatch.setattr(arrivals, "peek", lambda one: looks.append(one) or peek(one))
    waiting = [door.client(data) for data in (b"", b"POST ")]
    others = [door.client(OTHER) for _ in range(3)]
    found = door.arrivals()
    assert [await door.take(found) for _ in range(5)] == [*map(port, others), *map(port, waiting)]
    assert len(looks) == 4


async def test_the_oldest_gives_way(door):
    """Beyond the limit it is sent why, and it is counted; known ones do not count."""
    clients = [door.client(OTHER) for _ in range(4)]
    known = [door.client(KNOWN) for _ in range(3)]
    found = door.arrivals(limit=2)
    assert [await door.take(found) for _ in range(5)] == [
        *map(port, known),
        *map(port, clients[2:]),
    ]
    for client in clients[:2]:
        assert [client.recv(100) for _ in range(2)] == [b"parting", b""]
    assert door.limits == [Share.CONNECTIONS] * 2


async def test_clients_that_are_gone(door):
    """Connections of those that leave while they wait are passed over."""
    first, second, third = [door.client(OTHER) for _ in range(3)]
    found = door.arrivals()
    assert await door.take(found) == port(first)
    second.close()
    assert await door.take(found) == port(third)


@pytest.mark.parametrize(
    ("head", "token"),
    [
        (KNOWN, "good"),
        (b"POST / HTTP/1.1\r\nhost: a\r\nAUTHORIZATION:bearer a.b-c\r\nX: y", "a.b-c"),
        (b"POST / HTTP/1.1\r\nAuthorization: Bearer goo", ""),
        (b"POST / HTTP/1.1\r\nAuthorization: Basic good\r\n\r\n", ""),
        (b"POST / HTTP/1.1\r\n\r\nAuthorization: Bearer good\r\n\r\n", ""),
        (b"", ""),
    ],
)
def test_tokens_of_heads(head, token):
    """Of the head alone, and whole."""
    assert find_token(head) == token
