"""Sends the same bytes over the fast path and over aiohttp alone, for comparison.

The device plane is real, but transports in memory replace its sockets: this allows thousands of
streams per second.
"""

import asyncio
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.device.answer import Served, make_served
from server.device.documents import make_document
from server.device.plane import DevicePlane
from server.device.snapshot import Snapshot
from server.http.answers import Package
from server.http.counts import Counts
from server.http.fallback import FallbackServer
from server.http.fast_path import FastPath
from server.http.requests import GateMode
from server.storage.blobs import BlobReader
from soak.memory_transport import MemoryTransport

HOST = b"updates.example"
#: Turns of the loop without a written byte after which an answer counts as complete.
QUIET_TURNS = 12
EMPTY_FILE = hashlib.sha256(b"").hexdigest()
POINTER = f"/targets/latest/armani/id/{EMPTY_FILE}.stable"
DOCUMENTS = {
    "/metadata/timestamp.json": b'{"signed": "timestamp"}',
    "/metadata/1.root.json": b'{"signed": "root"}',
    "/metadata/3.snapshot.json": b'{"signed": "snapshot"}',
    "/metadata/2.armani.json": b'{"signed": "armani"}',
    "/log/checkpoint": b"hening.example/log\n3\n",
    "/log/proof/armani.2": b"proof",
    "/log/tile/0/000.p/3": bytes(range(96)),
}
_DATE = re.compile(rb"\r\nDate: [^\r\n]+")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The bytes sent to a client, without dates, and whether its connection was ended."""

    data: bytes
    has_ended: bool

    @property
    def statuses(self) -> list[bytes]:
        """The status of each answer."""
        return re.findall(rb"HTTP/1\.[01] (\d{3}) ", self.data)


class TwoWays:
    """A device plane in memory, served over the fast path and over aiohttp.

    `failures` are the loop's reports of unhandled exceptions.
    """

    def __init__(self, mode: GateMode = GateMode.DIRECT) -> None:
        documents = {
            url: make_document(url, body, mutable=not url.startswith("/log/tile"))
            for url, body in DOCUMENTS.items()
        }
        packages = {POINTER: Package(EMPTY_FILE, 0)}
        snapshot = Snapshot(3, documents, packages, frozenset(), {"root": 1, "armani": 2})
        # Only an empty file is listed, so no blob is ever read.
        blobs: Any = BlobReader
        self.is_strict = mode is GateMode.STRICT
        self.plane = DevicePlane(blobs, Counts(), mode, lambda: 0.0)
        self.plane.served = make_served(snapshot, (HOST,), mode, Served())
        self.failures: list[Mapping[str, Any]] = []

    async def over_fast_path(self, pieces: Iterable[bytes], *, is_slow: bool = False) -> Outcome:
        """Send pieces over a new connection of the fast path; the client may read slowly."""
        return await self._send(self.fast_path(), pieces, MemoryTransport(is_slow=is_slow))

    def fast_path(self) -> FastPath:
        """Return the protocol of a new connection."""
        return FastPath(self.server().registry)

    async def over_aiohttp(self, pieces: Iterable[bytes]) -> Outcome:
        """Send pieces over a connection that aiohttp serves from its first byte on."""
        server = self.server()
        return await self._send(server(), pieces, MemoryTransport())

    def server(self) -> FallbackServer:
        """Return a server without connections whose failures are recorded."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: self.failures.append(context))
        return FallbackServer(self.plane, loop.time)

    async def _send(
        self, protocol: asyncio.BaseProtocol, pieces: Iterable[bytes], transport: MemoryTransport
    ) -> Outcome:
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        for piece in pieces:
            transport.feed(piece)
            await _settle(transport)
        await _settle(transport)
        outcome = Outcome(_DATE.sub(b"", bytes(transport.written)), transport.has_ended)
        transport.protocol.connection_lost(None)
        await asyncio.sleep(0)
        return outcome


async def _settle(transport: MemoryTransport) -> None:
    """Run the loop until nothing is written in QUIET_TURNS turns."""
    quiet, before = 0, -1
    while quiet < QUIET_TURNS:
        quiet = quiet + 1 if len(transport.written) == before else 0
        before = len(transport.written)
        await asyncio.sleep(0)


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """Return bytes in pieces, cut at `places`: any integers, taken modulo the length."""
    if not data:
        return []
    ends = sorted({place % len(data) for place in places} - {0})
    return [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=True)]
