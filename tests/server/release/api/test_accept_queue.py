"""The order in which accepted connections are read, and which of them are closed first."""

import asyncio
import contextlib
import socket

import pytest
from aiohttp.test_utils import make_mocked_request

from server.release.api import accept_queue
from server.release.api.accept_queue import (
    LOOK_UPS,
    UNKNOWN_AT_ONCE,
    AcceptQueue,
    Admission,
    find_token,
    peek,
)
from server.release.api.rates import Rates
from server.release.errors import AuthenticationError, RateError, Share
from tests.cases import case
from tests.server.release.api_world import role_principals

KNOWN = b"POST / HTTP/1.1\r\nAuthorization: Bearer good\r\n\r\n"
OTHER = b"POST / HTTP/1.1\r\nAuthorization: Bearer bad\r\n\r\n"


class Door:
    """A listening socket, and clients whose connections wait at it."""

    def __init__(self, listener, stack):
        self.listener = listener
        self._stack = stack
        self.limits = []

    def accept_queue(self, limit=100):
        """Give the acceptor; the token `good` is known."""
        made = AcceptQueue(self.listener, "good".__eq__, limit, self.limits.append, b"parting")
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
    """Then those whose head has arrived, then silent ones, each by arrival.

    A connection is sorted as soon as its head has arrived.
    """
    sent = (b"", OTHER, b"POST ", KNOWN, b"GET / HTTP/1.1\r\n\r\n", KNOWN)
    ports = [port(door.client(data)) for data in sent]
    found = door.accept_queue()
    assert [await door.take(found) for _ in sent] == [ports[i] for i in (3, 5, 1, 4, 0, 2)]
    late, *others = [door.client(data) for data in (b"", OTHER, OTHER, OTHER)]
    assert await door.take(found) == port(others[0])
    late.sendall(KNOWN)
    assert await door.take(found) == port(late)
    assert door.limits == []


async def test_each_is_looked_at_once(door, monkeypatch):
    """However many turns a part of a head waits: each look-up may take a turn of another thread."""
    looks = []
    monkeypatch.setattr(accept_queue, "peek", lambda one: looks.append(one) or peek(one))
    waiting = [door.client(data) for data in (b"", b"POST ")]
    others = [door.client(OTHER) for _ in range(3)]
    found = door.accept_queue()
    assert [await door.take(found) for _ in range(5)] == [*map(port, others), *map(port, waiting)]
    assert len(looks) == 4


async def test_the_oldest_gives_way(door):
    """Beyond the limit it gets the reason, and is counted; known ones do not count.

    Connections closed while they wait are skipped.
    """
    clients = [door.client(OTHER) for _ in range(4)]
    known = [door.client(KNOWN) for _ in range(3)]
    found = door.accept_queue(limit=2)
    expected = [*map(port, known), *map(port, clients[2:])]
    assert [await door.take(found) for _ in range(5)] == expected
    for client in clients[:2]:
        assert [client.recv(100) for _ in range(2)] == [b"parting", b""]
    assert door.limits == [Share.CONNECTIONS] * 2
    first, second, third = [door.client(OTHER) for _ in range(3)]
    found = door.accept_queue()
    assert await door.take(found) == port(first)
    second.close()
    assert await door.take(found) == port(third)


def test_tokens_of_heads():
    """Of the head alone, and whole."""
    for head, token in (
        (KNOWN, "good"),
        (b"POST / HTTP/1.1\r\nhost: a\r\nAUTHORIZATION:bearer a.b-c\r\nX: y", "a.b-c"),
        (b"POST / HTTP/1.1\r\nAuthorization: Bearer goo", ""),
        (b"POST / HTTP/1.1\r\nAuthorization: Basic good\r\n\r\n", ""),
        (b"POST / HTTP/1.1\r\n\r\nAuthorization: Bearer good\r\n\r\n", ""),
        (b"", ""),
    ):
        assert find_token(head) == token


VIEWER = role_principals()["viewer"]


def ask(token):
    """Return a request with a token, or without one."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return make_mocked_request("POST", "/", headers=headers)


async def refuse(_secret):  # noqa: RUF029 - as the database
    """Know no token."""
    raise AuthenticationError("no.")


async def test_a_request_without_a_valid_token_is_a_guess():
    """Guesses are limited, on the paths of halts also requests without a token."""
    for token, is_urgent in (("guess", False), ("guess", True), ("", True)):
        admission = Admission(refuse, Rates(1, 60, 60, lambda: 0.0))
        for _ in range(4):
            with case(token, is_urgent), pytest.raises(AuthenticationError):
                await admission.admit(ask(token), is_urgent=is_urgent)
        with case(token, is_urgent), pytest.raises(RateError):
            await admission.admit(ask(token), is_urgent=is_urgent)


class LookUps:
    """Looks `known` tokens up immediately and others when told; notes how many at a time."""

    def __init__(self, limit, *known):
        self.limit, self.known = limit, known
        self.running = self.most = 0
        self.full, self.release = asyncio.Event(), asyncio.Event()

    async def __call__(self, secret):
        """Return the viewer, or refuse a guess."""
        if secret in self.known:
            return VIEWER
        self.running += 1
        self.most = max(self.most, self.running)
        if self.running == self.limit:
            self.full.set()
        await self.release.wait()
        self.running -= 1
        if secret.startswith("guess"):
            raise AuthenticationError("no.")
        return VIEWER


async def test_halts_with_guesses_wait_for_each_other():
    """Few of them are looked up simultaneously; a recently valid token does not wait."""
    look = LookUps(UNKNOWN_AT_ONCE, "known")
    admission = Admission(look, Rates(100, 60, 60, lambda: 0.0))
    assert await admission.admit(ask("known")) == VIEWER
    asked = [admission.admit(ask(f"guess-{number}"), is_urgent=True) for number in range(20)]
    guesses = asyncio.gather(*asked, return_exceptions=True)
    await look.full.wait()
    assert await admission.admit(ask("known"), is_urgent=True) == VIEWER
    look.release.set()
    assert {type(each) for each in await guesses} == {AuthenticationError}
    assert look.most == UNKNOWN_AT_ONCE


async def test_few_tokens_are_looked_up_at_one_time():
    """Others wait in turn, except for those of an identity provider and for halts."""
    look = LookUps(LOOK_UPS, "known", "a.b.c")
    admission = Admission(look, Rates(100, 60, 60, lambda: 0.0))
    await admission.admit(ask("known"))
    waiting = asyncio.gather(*(admission.admit(ask(f"token-{n}")) for n in range(20)))
    await look.full.wait()
    assert await admission.admit(ask("known"), is_urgent=True) == VIEWER
    assert await admission.admit(ask("a.b.c")) == VIEWER
    look.release.set()
    assert await waiting == [VIEWER] * 20
    assert look.most == LOOK_UPS


async def test_a_token_whose_rate_is_used_up_meanwhile_is_not_looked_up():
    """Requests that arrive together are counted one after the other."""
    looked = []

    async def look(secret):
        looked.append(secret)
        await asyncio.sleep(0)
        return VIEWER

    admission = Admission(look, Rates(1, 60, 60, lambda: 0.0))
    await admission.admit(ask("token"))
    tasks = [asyncio.create_task(admission.admit(ask("token"))) for _ in range(20)]
    given = await asyncio.gather(*tasks, return_exceptions=True)
    assert [each for each in given if each != VIEWER and not isinstance(each, RateError)] == []
    assert len(looked) <= 4 + LOOK_UPS
