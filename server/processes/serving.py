"""Serves phones in this process: gate, lane and downloads on the sockets it is given."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence

from server.device.counts import Counts
from server.device.listener import Listener, listening
from server.device.plane import DevicePlane
from server.device.served import make_served
from server.device.snapshot import Snapshot
from server.processes.messages import Certificate, Duty
from server.processes.tls import make_context, use_certificate
from server.storage.blobs import BlobReader


class Serving:
    """The device plane of one process, and what it counted. Give a snapshot before it listens.

    `clock` gives epoch seconds.
    """

    def __init__(self, duty: Duty, blobs: BlobReader, clock: Callable[[], float]) -> None:
        self.counts = Counts()
        self._duty = duty
        self._plane = DevicePlane(blobs, self.counts, duty.gate, clock, duty.limits)
        self._tls: ssl.SSLContext | None = None
        self._listeners: list[Listener] = []

    async def show(self, snapshot: Snapshot) -> None:
        """Answer from `snapshot` from now on.

        Made here and in one go: a thread would compete for the interpreter with every answer.
        """
        await asyncio.sleep(0)
        served = make_served(snapshot, self._duty.hosts, self._duty.gate, self._plane.served)
        self._plane.served = served

    @contextlib.asynccontextmanager
    async def listening(
        self, tcp: Sequence[socket.socket], unix: Sequence[socket.socket]
    ) -> AsyncIterator[None]:
        """Serve on the sockets until the block ends, which drains.

        TLS is for TCP alone: at a Unix socket there is a proxy of this machine.
        """
        certificate = self._duty.certificate
        self._tls = None if certificate is None else make_context(certificate)
        async with contextlib.AsyncExitStack() as stack:
            for sockets, tls in ((tcp, self._tls), (unix, None)):
                if sockets:
                    serving = listening(self._plane, sockets, tls=tls)
                    self._listeners.append(await stack.enter_async_context(serving))
            yield

    def renew(self, certificate: Certificate) -> None:
        """Show `certificate` to connections that begin from now on."""
        if self._tls is not None:
            use_certificate(self._tls, certificate)

    async def drain(self, seconds: float) -> None:
        """Take no new connection, wait up to `seconds` for what is under way, end what is left."""
        await asyncio.gather(*(each.drain(seconds) for each in self._listeners))
        await asyncio.gather(*(each.stop() for each in self._listeners))
