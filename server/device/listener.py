"""Sockets on which phones are answered, and how that ends."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from server.device.connections import TICK_SECONDS, Connections
from server.device.fallback import HandoverServer
from server.device.fast_path import FastPath
from server.device.plane import DevicePlane

# How long what serves a connection may take to find out that it was cut; 0 is for ever.
END_SECONDS = 0.1
BACKLOG = 4096
# Bytes that the kernel keeps of what a client has sent and is not read yet: some hundred requests.
# By itself it would keep megabytes for each client, and a read would bring 256 KiB.
RECEIVED = 16_384


class Listener:
    """What listens. It is drained once, and then only waits for what is under way."""

    def __init__(self, handover: HandoverServer, servers: Sequence[asyncio.Server]) -> None:
        self._front = handover.front
        self._handover = handover
        self._servers = servers

    async def drain(self, seconds: float) -> None:
        """Take no new connection; wait up to `seconds` until each has had its last answer.

        Answers under way go out whole; a connection that asks meanwhile is told to close.
        """
        for server in self._servers:
            server.close()
        self._front.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._front.wait_empty()

    async def stop(self) -> None:
        """End every connection that is left."""
        self._front.cut_all()
        await self._handover.shutdown(END_SECONDS)


@contextlib.asynccontextmanager
async def listening(
    plane: DevicePlane,
    sockets: Sequence[socket.socket],
    *,
    tls: ssl.SSLContext | None = None,
    monotonic: Callable[[], float] | None = None,
) -> AsyncIterator[Listener]:
    """Serve on sockets that are bound, until the block ends; they stay open.

    Limits go by `monotonic`, in seconds, the loop's clock where there is none. At the end
    connections are drained for `plane.limits.drain_seconds`.
    """
    loop = asyncio.get_running_loop()
    handover = HandoverServer(plane, monotonic or loop.time)
    servers: list[asyncio.Server] = []
    listener = Listener(handover, servers)
    # Before its handshake a connection is no lane yet, and no other limit sees it.
    shaking_hands = {} if tls is None else {"ssl_handshake_timeout": plane.limits.head_seconds}
    ticking = asyncio.create_task(_tick(handover.front))
    try:
        for each in sockets:
            create: Any = loop.create_server
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED)  # of what it accepts
            if each.family == socket.AF_UNIX:
                create = loop.create_unix_server
            # The loop closes what it is given, and others may still accept on the same socket.
            server = await create(
                lambda: FastPath(handover.front),
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


async def _tick(front: Connections) -> None:
    while True:
        await asyncio.sleep(TICK_SECONDS)
        try:
            front.tick()
        except Exception as error:  # noqa: BLE001 - limits and the date go on whatever happens
            context = {"message": "a look at the clock failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
