"""The order in which accepted connections are served, and which are closed first."""

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


class Backlog:
    """A listening socket, and clients that connect to it."""

    def __init__(self, listener, stack):
        self.listener = listener
        self._stack = stack
        self.limits = []

    def accept_queue(self, limit=100):
        """Return an acceptor that knows the token `good`."""
        made = AcceptQueue(self.listener, "good".__eq__, limit, self.limits.append, b"closed")
        self._stack.callback(made.close)
        return made

    def client(self, data=b""):
        """Connect, and send bytes."""
        client = self._stack.enter_context(socket.create_connection(self.listener.getsockname()))
        client.sendall(data)
        return client

    async def take(self, queue):
        """Return the client port of the next connection."""
        async with asyncio.timeout(60):
            one = await queue.take()
        self._stack.callback(one.close)
        return one.getpeername()[1]


@pytest.fixture
def backlog():
    """Yield a listening socket."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.setblocking(False)
        yield Backlog(listener, stack)


def port(client):
    """Return a client's port."""
    return client.getsockname()[1]


async def test_known_tokens_come_first(backlog):
    """Known tokens come first, then complete heads, then silent connections, each by arrival.

    A connection is sorted when its head arrives.
    """
    sent = (b"", OTHER, b"POST ", KNOWN, b"GET / HTTP/1.1\r\n\r\n", KNOWN)
    ports = [port(backlog.client(data)) for data in sent]
    queue = backlog.accept_queue()
    assert [await backlog.take(queue) for _ in sent] == [ports[i] for i in (3, 5, 1, 4, 0, 2)]
    late, *others = [backlog.client(data) for data in (b"", OTHER, OTHER, OTHER)]
    assert await backlog.take(queue) == port(others[0])
    late.sendall(KNOWN)
    assert await backlog.take(queue) == port(late)
    assert backlog.limits == []


async def test_silent_connections_are_not_peeked_at(backlog, monkeypatch):
    """A connection is peeked at only when it has sent data: a peek can cost a thread switch."""
    looks = []
    monkeypatch.setattr(accept_queue, "peek", lambda one: looks.append(one) or peek(one))
    waiting = [backlog.client(data) for data in (b"", b"POST ")]
    others = [backlog.client(OTHER) for _ in range(3)]
    queue = backlog.accept_queue()
    assert [await backlog.take(queue) for _ in range(5)] == [
        *map(port, others),
        *map(port, waiting),
    ]
    assert len(looks) == 4


async def test_oldest_connection_is_closed(backlog):
    """Beyond the limit the oldest connection is closed with the reason, and counted.

    Known tokens do not count.
    """
    clients = [backlog.client(OTHER) for _ in range(4)]
    known = [backlog.client(KNOWN) for _ in range(3)]
    queue = backlog.accept_queue(limit=2)
    expected = [*map(port, known), *map(port, clients[2:])]
    assert [await backlog.take(queue) for _ in range(5)] == expected
    for client in clients[:2]:
        assert [client.recv(100) for _ in range(2)] == [b"closed", b""]
    assert backlog.limits == [Share.CONNECTIONS] * 2


async def test_closed_connections_are_skipped(backlog, monkeypatch):
    """Connections that the client has closed are skipped, in the backlog and in the queue.

    They do not count towards the limit.
    """
    monkeypatch.setattr(accept_queue, "AT_ONCE", 3)
    for _ in range(7):
        backlog.client(OTHER).close()
    first, second, third = [backlog.client(KNOWN) for _ in range(3)]
    queue = backlog.accept_queue(limit=1)
    assert await backlog.take(queue) == port(first)
    second.close()
    assert await backlog.take(queue) == port(third)
    assert backlog.limits == []


def test_find_token():
    """A token is found only in the head, and only if it is complete."""
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
    """Refuse every token."""
    raise AuthenticationError("no.")


async def test_invalid_tokens_are_rate_limited():
    """Requests with an invalid token are rate-limited, and for halts those without one, too."""
    for token, is_urgent in (("guess", False), ("guess", True), ("", True)):
        admission = Admission(refuse, Rates(1, 60, 60, lambda: 0.0))
        for _ in range(4):
            with case(token, is_urgent), pytest.raises(AuthenticationError):
                await admission.admit(ask(token), is_urgent=is_urgent)
        with case(token, is_urgent), pytest.raises(RateError):
            await admission.admit(ask(token), is_urgent=is_urgent)


class LookUps:
    """Look-ups that end at once for `known` tokens, and wait for the test otherwise."""

    def __init__(self, limit, *known):
        self.limit, self.known = limit, known
        self.running = self.most = 0
        self.full, self.release = asyncio.Event(), asyncio.Event()

    async def __call__(self, secret):
        """Return the viewer, after waiting if the token is not known."""
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


async def test_halts_with_unknown_tokens_wait_for_each_other():
    """Few unknown tokens are looked up at a time for halts; a known token does not wait."""
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


async def test_limit_of_simultaneous_look_ups():
    """The number of simultaneous look-ups is limited, except for logins and halts."""
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


async def test_rate_applies_to_simultaneous_requests():
    """Simultaneous requests of one token are counted one by one, so the rate limit applies."""
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
