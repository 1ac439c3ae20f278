"""Serves a public plane on listening sockets, and shuts it down."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from server.http.connections import TICK_SECONDS, Connections
from server.http.fallback import FallbackServer
from server.http.fast_path import FastPath
from server.http.plane import Plane

# Seconds that aiohttp waits for its handlers after their connections were cut; 0 is no limit.
END_SECONDS = 0.1
BACKLOG = 4096
# The maximum number of loop turns from accepting a connection to its registration.
_TURNS = 3
# Bytes of the kernel's receive buffer, enough for about a hundred requests. By default it has
# megabytes for each client, and a read returns up to 256 KiB.
RECEIVED = 16_384


class Listener:
    """The listening servers of a plane, which can be drained and stopped."""

    def __init__(self, fallback: FallbackServer, servers: Sequence[asyncio.Server]) -> None:
        self._registry = fallback.registry
        self._fallback = fallback
        self._servers = servers

    async def drain(self, seconds: float) -> None:
        """Accept no new connections, and wait up to `seconds` for the last answer of each.

        Answers under way are sent completely. The next answer of an idle connection has
        `Connection: close`.
        """
        for server in self._servers:
            server.close()
        # Connections that were accepted in this turn of the loop are registered in the next ones.
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        self._registry.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._registry.wait_empty()

    async def stop(self) -> None:
        """End all remaining connections."""
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
    """Serve on bound sockets until the block ends; the sockets stay open.

    `monotonic` returns the seconds for limits, by default from the loop's clock. At the end
    connections are drained for `plane.limits.drain_seconds`.
    """
    loop = asyncio.get_running_loop()
    fallback = FallbackServer(plane, monotonic or loop.time)
    servers: list[asyncio.Server] = []
    listener = Listener(fallback, servers)
    # No other limit applies to a connection before the end of its TLS handshake.
    handshake_options = {} if tls is None else {"ssl_handshake_timeout": plane.limits.head_seconds}
    ticking = asyncio.create_task(_tick(fallback.registry))
    try:
        for each in sockets:
            create: Any = loop.create_server
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED)  # inherited on accept
            if each.family == socket.AF_UNIX:
                create = loop.create_unix_server
            # The loop closes its socket, on which other processes may still accept.
            server = await create(
                lambda: FastPath(fallback.registry),
                sock=each.dup(),
                ssl=tls,
                backlog=BACKLOG,
                **handshake_options,
            )
            servers.append(server)
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
        except Exception as error:  # noqa: BLE001 - no error may stop limits and date
            context = {"message": "the update of limits and date failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
