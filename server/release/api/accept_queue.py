"""Finds the callers of requests, and queues urgent connections: those with a known token first.

Reading and refusing a request takes a millisecond. Accepting its connection and searching its first
bytes for a token takes a fiftieth of that. So a flood without valid tokens waits in the queue and
does not delay known callers.

Each system call may release the interpreter to another thread, which keeps it for a whole switch
interval. So a connection's data is read only after `poll` has reported some.
"""

import asyncio
import contextlib
import re
import select
import socket
from collections import deque
from collections.abc import Awaitable, Callable

from aiohttp import web

from server.release.api.listener import record_account
from server.release.api.rates import Rates
from server.release.auth.principal import Principal
from server.release.errors import AuthenticationError, Share

AT_ONCE = 256  # connections accepted in one iteration of the loop: some milliseconds
PEEKED = 8192  # bytes of a head that are searched for a token
RETRY_SECONDS = 0.05  # after a failed accept
_BEARER = re.compile(rb"\r\nauthorization:[ \t]*bearer ([!-~]{1,4096})\r\n", re.IGNORECASE)
_END = b"\r\n\r\n"  # of a head
_ESTABLISHED = 1  # the state at the beginning of TCP_INFO; a client that closed has another


class AcceptQueue:
    """The connections of a listening socket that were accepted, but not read yet.

    First come those with a known token, then those with a complete head, then the others, each by
    arrival. `is_known` returns whether a token's caller may stop something. At most `limit`
    connections without a known token wait; beyond that, the oldest is sent `displaced_answer` and
    closed, and `count_limit` is called.
    """

    def __init__(
        self,
        listener: socket.socket,
        is_known: Callable[[str], bool],
        limit: int,
        count_limit: Callable[[Share], None],
        displaced_answer: bytes,
    ) -> None:
        self._listener = listener
        self._is_known = is_known
        self._limit = limit
        self._count_limit = count_limit
        self._displaced_answer = displaced_answer
        self._known: deque[socket.socket] = deque()
        self._others: deque[socket.socket] = deque()
        self._incomplete: dict[int, socket.socket] = {}  # by descriptor
        self._silent = select.poll()  # those of them without any data

    async def take(self) -> socket.socket:
        """Wait for and return the next connection to read from."""
        loop = asyncio.get_running_loop()
        while True:
            accepted = self._accept()
            self._sort()
            for pop in (self._known.popleft, self._others.popleft, self._pop_incomplete):
                with contextlib.suppress(IndexError):
                    while is_gone(one := pop()):
                        one.close()
                    return one
            if accepted:  # the clients of all accepted connections are gone
                await asyncio.sleep(0)
                continue
            try:
                one, _ = await loop.sock_accept(self._listener)
            except OSError:  # too many descriptors, or a socket that is closed already
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._add(one)

    def close(self) -> None:
        """Close all waiting connections."""
        for one in (*self._known, *self._others, *self._incomplete.values()):
            one.close()

    def _accept(self) -> int:
        """Accept up to AT_ONCE connections from the backlog; return how many."""
        for accepted in range(AT_ONCE):
            try:
                one, _ = self._listener.accept()
            except OSError:  # the backlog is empty, or there are too many descriptors
                return accepted
            self._add(one)
        return AT_ONCE

    def _add(self, one: socket.socket) -> None:
        one.setblocking(False)
        self._incomplete[one.fileno()] = one
        self._silent.register(one, select.POLLIN)

    def _pop_incomplete(self) -> socket.socket:
        """Return the oldest connection without a complete head; raises IndexError."""
        for descriptor, one in self._incomplete.items():
            self._forget(descriptor)
            return one
        raise IndexError

    def _forget(self, descriptor: int) -> socket.socket:
        with contextlib.suppress(KeyError):  # it was unregistered when it sent data
            self._silent.unregister(descriptor)
        return self._incomplete.pop(descriptor)

    def _sort(self) -> None:
        """Move connections that have sent data to their queue; close those that are gone."""
        for descriptor, _ in self._silent.poll(0):
            one = self._incomplete[descriptor]
            head = b"" if is_gone(one) else peek(one)
            token = find_token(head)
            if not head:
                self._forget(descriptor).close()
            elif token and self._is_known(token):
                self._known.append(self._forget(descriptor))
            elif token or _END in head or len(head) == PEEKED:
                self._others.append(self._forget(descriptor))
            else:
                self._silent.unregister(descriptor)
        while len(self._others) + len(self._incomplete) > self._limit:
            self._displace(self._others.popleft() if self._others else self._pop_incomplete())

    def _displace(self, one: socket.socket) -> None:
        self._count_limit(Share.CONNECTIONS)
        with contextlib.suppress(OSError):
            one.recv(PEEKED)  # closing with unread data would reset the connection
            one.send(self._displaced_answer)
        one.close()


def peek(one: socket.socket) -> bytes:
    """Return up to `PEEKED` bytes that a client has sent, without consuming them."""
    try:
        return one.recv(PEEKED, socket.MSG_PEEK)
    except OSError:  # no data yet, or a reset
        return b""


def find_token(head: bytes) -> str:
    """Return the bearer token in a request's head, which may be incomplete; empty if none."""
    end = head.find(_END)
    found = _BEARER.search(head if end < 0 else head[: end + 2])
    return "" if found is None else found[1].decode()


def is_gone(one: socket.socket) -> bool:
    """Answer whether the client of an accepted TCP connection has closed it already.

    Clients that connect and close in a loop can leave thousands of connections in the backlog,
    which would delay clients that wait for an answer.
    """
    if one.family == socket.AF_UNIX:
        return False
    return one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _ESTABLISHED


Authenticate = Callable[[str], Awaitable[Principal]]
"""A function that returns the principal of a token; raises AuthenticationError."""
TOKEN_LIMIT = 4096  # bytes; API tokens have about 100, those of an identity provider more
JWT_DOTS = 2  # in a token of an identity provider; API tokens have none
LOOK_UPS = 4
"""Concurrent lookups of API tokens for requests that are not urgent.

More would not be faster in total, but would make every iteration of the loop longer. The present
writer of SQLite waits for such iterations between two statements.
"""
UNKNOWN_AT_ONCE = 2
"""Concurrent lookups of unknown tokens for urgent requests; further ones wait.

Rates do not limit these lookups, and each needs a database connection.
"""


class Admission:
    """Finds the principal of a request and counts it."""

    def __init__(self, authenticate: Authenticate, rates: Rates) -> None:
        self._authenticate = authenticate
        self._rates = rates
        self._look_ups = asyncio.Semaphore(LOOK_UPS)
        # Separate limits for ID tokens and API tokens: the identity provider may take seconds.
        self._unknown = {is_jwt: asyncio.Semaphore(UNKNOWN_AT_ONCE) for is_jwt in (True, False)}

    async def admit(self, request: web.BaseRequest, *, is_urgent: bool = False) -> Principal:
        """Return the caller; raises AuthenticationError or RateError.

        An urgent request with a valid token is never refused because of a rate.
        """
        secret = read_bearer(request)
        if not secret:
            if is_urgent:  # for other requests it does not count as a guess, as it costs nothing
                self._rates.count_failure(secret)
            raise no_token()
        try:
            if not is_urgent:
                principal = await self._look_up(secret)
            elif self._rates.is_known(secret):
                principal = await self._authenticate(secret)
            else:
                async with self._unknown[secret.count(".") == JWT_DOTS]:
                    principal = await self._authenticate(secret)
        except AuthenticationError:
            self._rates.count_failure(secret)
            raise
        self._rates.count(secret, principal.name, is_urgent=is_urgent)
        record_account(request, principal)
        return principal

    async def _look_up(self, secret: str) -> Principal:
        """Look a token up, and check its rate before and after waiting for a lookup slot.

        While it waits, other requests with this token are counted. ID tokens, whose lookup may take
        seconds, need no slot.
        """
        self._rates.check(secret)
        if secret.count(".") == JWT_DOTS:
            return await self._authenticate(secret)
        async with self._look_ups:
            self._rates.check(secret)
            return await self._authenticate(secret)

    def count_change(self, principal: Principal) -> None:
        """Count a request for a change; raises RateError beyond the account's rate."""
        self._rates.count_change(principal.name)


def read_bearer(request: web.BaseRequest) -> str:
    """Return the bearer token of a request; empty without exactly one possible token."""
    headers = request.headers.getall("Authorization", [])
    scheme, _, secret = headers[0].partition(" ") if len(headers) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not secret.isascii() or len(secret) > TOKEN_LIMIT:
        return ""
    return secret


def no_token() -> AuthenticationError:
    """Return the refusal of a request without a token."""
    return AuthenticationError("Send one `Authorization: Bearer` with a valid token.")
