"""The listener for urgent operations: every resource is limited, so that no client blocks it.

A connection is closed after one request, whose head must arrive within `HEAD_SECONDS`. At most a
quarter of `urgent_connections` may be without the token of a caller that may stop something; beyond
that the oldest of these is closed.

The constants here are not settings, since every working client is faster.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from aiohttp import web

from server.release.api.accept_queue import AcceptQueue
from server.release.api.listener import (
    DISPLACED_ANSWER,
    DISPLACED_SECONDS,
    SERVER_OPTIONS,
    Answering,
    DiscardingHandler,
    answer,
    delay_answer,
    make_refusals,
    skip_chunks,
)
from server.release.errors import Share

UNKNOWN = 4  # one in UNKNOWN connections may be without a valid token
LOOKED_UP = 16  # concurrent lookups of tokens, which take milliseconds
HEAD_SECONDS = 1.0  # for the TLS handshake, and then for the whole head
STALL_SECONDS = 1.0  # how long a client may read nothing of its answer
LINGER_SECONDS = 0.5  # how long the body of a refused request is read and discarded
BACKLOG = 4096  # connections that wait to be accepted, for some milliseconds
ROOT = 0
_CREDENTIALS = struct.Struct("3i")  # of SO_PEERCRED: process, user, group


class UrgentServer(web.Server):
    """The server of all urgent sockets of a process, which share its slots.

    `connections` is their maximum. `refusals` is the number per second that are sent without delay
    to callers that may stop something; all other callers together have a second limit of this
    size. `count_limit` is called when a limit is exceeded. `is_known` returns whether a token's
    caller may stop something, as far as known without a lookup.
    """

    def __init__(
        self,
        api: Answering,
        connections: int,
        refusals: int,
        count_limit: Callable[[Share], None],
        is_known: Callable[[str], bool],
    ) -> None:
        super().__init__(_handle, lingering_time=LINGER_SECONDS, **SERVER_OPTIONS)
        self.api = api
        self.limit = connections
        self.unknown_limit = connections // UNKNOWN
        self.count_limit = count_limit
        self.is_known = is_known
        self.freed = asyncio.Event()
        self.looking = 0  # connections whose token is being looked up
        # Connections with a slot, oldest first: each new connection checks a few of them.
        self.staying: dict[_Connection, None] = {}
        self.unknown: dict[_Connection, None] = {}
        # A separate limit for known callers, so that a flood without a token does not delay them.
        now = asyncio.get_running_loop().time()
        self.refusals = {is_known: make_refusals(refusals, now) for is_known in (False, True)}

    def __call__(self) -> "_Connection":
        """Return the protocol of a new connection."""
        return _Connection(self, loop=asyncio.get_running_loop(), **self._kwargs)

    async def accept(
        self,
        listener: socket.socket,
        tls: ssl.SSLContext | None = None,
        *,
        for_commands: bool = False,
    ) -> None:
        """Accept connections until cancelled, and start one in each iteration of the loop.

        So each is read once before a later one may take its slot. Requests with a known token go
        first, except over TLS, where the token is not visible. While `LOOKED_UP` tokens are being
        looked up, which takes milliseconds, the next connection waits. On a Unix socket
        `for_commands`, root and the user of this process need no token. Do not let a proxy connect
        to it: its clients would be trusted.
        """
        opening: list[asyncio.Task[Any]] = []
        displaced_answer = DISPLACED_ANSWER if tls is None else b""
        accept_queue = AcceptQueue(
            listener, self.is_known, self.limit, self.count_limit, displaced_answer
        )

        def make() -> web.RequestHandler:
            connection = self()
            connection.is_for_commands = for_commands
            return connection

        try:
            while True:
                while not for_commands and self.looking >= LOOKED_UP:
                    self.count_limit(Share.LOOKUPS)
                    self.freed.clear()
                    await self.freed.wait()
                one = await accept_queue.take()
                opening = [task for task in opening if not task.done()]
                if len(opening) >= self.unknown_limit:
                    opening.pop(0).cancel()  # the reason cannot be sent before the TLS handshake
                    self.count_limit(Share.CONNECTIONS)
                opening.append(asyncio.create_task(_open(make, one, tls)))
                await asyncio.sleep(0)
        finally:
            accept_queue.close()


async def _open(
    make: Callable[[], web.RequestHandler], one: socket.socket, tls: ssl.SSLContext | None
) -> None:
    """Start the protocol on an accepted socket; close it if the TLS handshake takes too long."""
    seconds = None if tls is None else HEAD_SECONDS
    try:
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(make, one, ssl=tls, ssl_handshake_timeout=seconds)
    except (OSError, asyncio.CancelledError):
        one.close()


@contextlib.contextmanager
def looking_up(request: web.BaseRequest) -> Iterator[None]:
    """Keep the slot of a request's connection until the block, a short lookup, ends."""
    connection = request.protocol
    if not isinstance(connection, _Connection):
        yield
        return
    connection.is_looking = True
    connection.server.looking += 1
    try:
        yield
    finally:
        connection.is_looking = False
        connection.server.looking -= 1
        connection.server.freed.set()


def mark_trusted(request: web.BaseRequest) -> None:
    """Mark a request's caller as allowed to stop something: its connection is not displaced."""
    if isinstance(request.protocol, _Connection):
        request.protocol.is_known = True
        request.protocol.server.unknown.pop(request.protocol, None)


def is_trusted(request: web.BaseRequest) -> bool:
    """Answer whether a request came from a command run by root or this process's user."""
    return isinstance(request.protocol, _Connection) and request.protocol.is_trusted


async def _handle(request: web.BaseRequest) -> web.StreamResponse:
    connection = request.protocol
    if not isinstance(connection, _Connection):
        raise TypeError("the connection of a request has an unexpected class")
    connection.begin(request)
    response = await answer(request, connection.server.api)
    skip_chunks(request, response)
    response.force_close()
    is_refusal = response.status >= HTTPStatus.BAD_REQUEST
    refusals = connection.server.refusals[connection.is_known]
    if is_refusal and refusals.take(asyncio.get_running_loop().time()):
        connection.server.count_limit(Share.REFUSALS)
        await delay_answer(request, response)
    return response


class _Connection(DiscardingHandler):
    """A connection, for one request."""

    __slots__ = ("is_for_commands", "is_known", "is_looking", "is_trusted", "request", "server")

    def __init__(self, server: UrgentServer, **kwargs: Any) -> None:
        super().__init__(server, server.api, **kwargs)
        self.server = server
        self.is_known = False  # its caller may stop something
        self.request: web.BaseRequest | None = None  # set when the head has arrived
        self.is_for_commands = False
        self.is_trusted = False  # the peer is a process of root or of our user
        self.is_looking = False  # its token is being looked up

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept a connection; over the limit, close another one or this one."""
        super().connection_made(transport)
        self.start_timeout(HEAD_SECONDS, self.leave)
        self.is_trusted = self.is_known = self.is_for_commands and _is_ours(transport)
        server = self.server
        staying, unknown = server.staying, server.unknown
        is_full = len(staying) >= server.limit or len(unknown) >= server.unknown_limit
        # Close the oldest unknown connection whose token is not being looked up.
        leaving = next((each for each in unknown if not each.is_looking), self) if is_full else None
        staying[self] = None
        if not self.is_known:
            unknown[self] = None
        if leaving is not None:
            leaving.evict()
            server.count_limit(Share.CONNECTIONS)

    def begin(self, request: web.BaseRequest) -> None:
        """Record that the head of its request has arrived."""
        self.stop_timeout()
        self.request = request

    def evict(self) -> None:
        """Close this connection for another one; send the reason if that does not block."""
        self._give_slot_back()
        is_begun = self.request is not None and self.request.writer.output_size > 0
        if self.transport is None or is_begun or self.has_long_head:
            self.leave()
            return
        self.transport.write(DISPLACED_ANSWER)
        if self.transport.get_write_buffer_size():
            self.leave()
            return
        self.transport.close()
        # Over TLS, if the client does not close.
        self.start_timeout(DISPLACED_SECONDS, self.leave)

    def leave(self) -> None:
        """Abort this connection, without sending buffered data."""
        self._give_slot_back()
        if self.transport is not None:
            self.transport.abort()

    def pause_writing(self) -> None:
        """Start the timeout of a client that does not read its answer."""
        super().pause_writing()
        self.start_timeout(STALL_SECONDS, self.leave)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give the slot back."""
        self._give_slot_back()
        super().connection_lost(exc)

    def _give_slot_back(self) -> None:
        self.server.staying.pop(self, None)
        self.server.unknown.pop(self, None)


def _is_ours(transport: asyncio.BaseTransport) -> bool:
    end = transport.get_extra_info("socket")
    found = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return _CREDENTIALS.unpack(found)[1] in {ROOT, os.geteuid()}
