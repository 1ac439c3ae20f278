"""Listening sockets of a public plane, and their shutdown."""

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

# Seconds until a connection notices that it was cut; 0 is for ever.
END_SECONDS = 0.1
BACKLOG = 4096
# Turns of the loop from an accepted connection to its registration, at most.
_TURNS = 3
# Size of the kernel's receive buffer: some hundred requests. By default it holds megabytes for each
# client, and a read returns up to 256 KiB.
RECEIVED = 16_384


class Listener:
    """Listening servers. They are drained once, and then wait for answers under way."""

    def __init__(self, fallback: FallbackServer, servers: Sequence[asyncio.Server]) -> None:
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
    servers: list[asyncio.Server] = []
    listener = Listener(fallback, servers)
    # Before its TLS handshake a connection is not registered, and no other limit applies to it.
    shaking_hands = {} if tls is None else {"ssl_handshake_timeout": plane.limits.head_seconds}
    ticking = asyncio.create_task(_tick(fallback.registry))
    try:
        for each in sockets:
            create: Any = loop.create_server
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED)  # inherited on accept
            if each.family == socket.AF_UNIX:
                create = loop.create_unix_server
            # The loop closes the socket it is given, and others may still accept on the same one.
            server = await create(
                lambda: FastPath(fallback.registry),
                sock=each.dup(),
                ssl=tls,
                backlog=BACKLOG,
                **shaking_hands,
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
        except Exception as error:  # noqa: BLE001 - limits and the date go on whatever happens
            context = {"message": "a look at the clock failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
