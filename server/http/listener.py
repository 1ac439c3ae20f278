"""Listening sockets of a public plane, and their shutdown."""

import asyncio
import contextlib
import errno
import functools
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from server.http.connections import TICK_SECONDS, Connections
from server.http.fallback import FallbackServer
from server.http.fast_path import FastPath
from server.http.plane import Plane
from server.http.tls import Create, TlsTransport

# Seconds until a connection notices that it was cut; 0 is for ever.
END_SECONDS = 0.1
BACKLOG = 4096
# Turns of the loop from an accepted connection to its registration, at most.
_TURNS = 3
# Size of the kernel's receive buffer: some hundred requests. By default it holds megabytes for each
# client, and a read returns up to 256 KiB.
RECEIVED = 16_384
ACCEPTED_AT_ONCE = 64
# No descriptors or memory are left: the next connection is accepted after a pause.
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
PAUSE_SECONDS = 1.0


class TlsServer:
    """Accepts connections of `listening`, which it owns; `create` returns a connection's protocol.

    `create` is called before the handshake, `connection_made` after it, and `connection_lost` also
    where the handshake fails.
    """

    def __init__(self, listening: socket.socket, context: ssl.SSLContext, create: Create) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = listening
        self._context = context
        self._create = create
        self._pause: asyncio.TimerHandle | None = None
        listening.setblocking(False)
        if listening.family != socket.AF_UNIX:
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited on accept
        listening.listen(BACKLOG)
        self._loop.add_reader(listening.fileno(), self._accept)

    def close(self) -> None:
        """Accept no more; accepted connections continue."""
        if self._pause is not None:
            self._pause.cancel()
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _accept(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                accepted, address = self._socket.accept()
            except ConnectionAbortedError:
                continue
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._loop.remove_reader(self._socket.fileno())
                self._pause = self._loop.call_later(PAUSE_SECONDS, self._go_on)
                return
            TlsTransport(self._loop, accepted, address, self._context, self._create)

    def _go_on(self) -> None:
        self._loop.add_reader(self._socket.fileno(), self._accept)


class Listener:
    """Listening servers. They are drained once, and then wait for answers under way."""

    def __init__(
        self, fallback: FallbackServer, servers: Sequence[asyncio.Server | TlsServer]
    ) -> None:
        self._registry = fallback.registry
        self._fallback = fallback
        self._servers = servers

    async def drain(self, seconds: float) -> None:
        """Accept no new connection; wait up to `seconds` until each has had its last answer.

        Answers under way are sent whole; the next answer of a kept connection has `Connection:
        close`.
        """
        for server in self._servers:
            server.close()
        # What was accepted in this turn of the loop is registered in the next ones.
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        self._registry.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._registry.wait_empty()

    async def stop(self) -> None:
        """End every remaining connection."""
        self._registry.cut_all()
        await self._fallback.shutdown(END_SECONDS)


@contextlib.asynccontextmanager
async def listening(
    plane: Plane,
    sockets: Sequence[socket.socket],
    *,
    tls: ssl.SSLContext | None = None,
    monotonic: Callable[[], float] | None = None,
) -> AsyncIterator[Listener]:
    """Serve on sockets that are bound, until the block ends; they stay open.

    Limits are measured by `monotonic`, in seconds; by default the loop's clock. At the end
    connections are drained for `plane.limits.drain_seconds`.
    """
    loop = asyncio.get_running_loop()
    fallback = FallbackServer(plane, monotonic or loop.time)
    servers: list[asyncio.Server | TlsServer] = []
    listener = Listener(fallback, servers)
    ticking = asyncio.create_task(_tick(fallback.registry))
    try:
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED)  # inherited on accept
            own = each.dup()  # a server closes its socket, and others may still accept on the same
            if tls is not None:
                make = functools.partial(FastPath, fallback.registry)
                servers.append(TlsServer(own, tls, make))
                continue
            create: Any = loop.create_server
            if each.family == socket.AF_UNIX:
                create = loop.create_unix_server
            servers.append(
                await create(lambda: FastPath(fallback.registry), sock=own, backlog=BACKLOG)
            )
        yield listener
    finally:
        await listener.drain(plane.limits.drain_seconds)
        await listener.stop()
        ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticking


async def _tick(registry: Connections) -> None:
    while True:
        await asyncio.sleep(TICK_SECONDS)
        try:
            registry.tick()
        except Exception as error:  # noqa: BLE001 - limits and the date go on whatever happens
            context = {"message": "a look at the clock failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
