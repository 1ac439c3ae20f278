"""aiohttp's low-level server, bent to the promise: no header that is not on the table, no log.

aiohttp adds `Server`, names client addresses in its logs and answers malformed requests with texts
of its own; each is replaced here, through the classes that it exports.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage

from server.device.gate import Reason, take_heads
from server.device.plane import DevicePlane, to_response

RESPONSE_HEADERS = frozenset(
    {
        "Accept-Ranges",
        "Cache-Control",
        "Connection",
        "Content-Encoding",
        "Content-Length",
        "Content-Range",
        "Content-Type",
        "Date",
        "ETag",
        "Repr-Digest",
        "Transfer-Encoding",
        "Vary",
    }
)
LINE_LIMIT = 2048  # octets of a request line or header: the longest path has under 400
HEADER_LIMIT = 48  # headers of a request: browsers send about 20
HEAD_SECONDS = 10.0  # how long the first request's head may take to arrive
IDLE_SECONDS = 30.0  # a phone closes at once; this is for caches that keep connections
DRAIN_SECONDS = 5.0  # how long answers under way may take at shutdown

_SILENT = logging.getLogger("hening.silent")
_SILENT.disabled = True


@contextlib.asynccontextmanager
async def listening(plane: DevicePlane, host: str, port: int) -> AsyncIterator[int]:
    """Serve on `host` and `port` (0: any free one) until the block ends; gives the port."""
    server = _Server(
        _handle,
        request_factory=_make_request,
        access_log=None,
        logger=_SILENT,
        max_line_size=LINE_LIMIT,
        max_field_size=LINE_LIMIT,
        max_headers=HEADER_LIMIT,
        keepalive_timeout=IDLE_SECONDS,
        lingering_time=0,
        auto_decompress=False,
    )
    server.plane = plane
    runner = web.ServerRunner(server, shutdown_timeout=DRAIN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _handle(request: web.BaseRequest) -> web.StreamResponse:
    protocol = request.protocol
    if not isinstance(protocol, _Protocol):
        raise TypeError("a request came over a connection that is not ours")
    return await protocol.plane.handle(request, is_spelled=protocol.is_spelled)


def _make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> "_Request":
    loop = asyncio.get_running_loop()
    if isinstance(protocol, _Protocol):
        protocol.head_deadline.cancel()
    return _Request(message, payload, protocol, writer, task, loop)


class _Request(web.BaseRequest):
    """A request whose response carries the headers of the table and no others."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        for name in [name for name in response.headers if name not in RESPONSE_HEADERS]:
            del response.headers[name]


class _Server(web.Server):
    """A server whose connections speak `_Protocol`."""

    plane: DevicePlane

    def __call__(self) -> web.RequestHandler:
        return _Protocol(self, loop=asyncio.get_running_loop(), **self._kwargs)


class _Protocol(web.RequestHandler):
    """What cannot be parsed is a refusal, what fails here a failure; neither says a word more."""

    __slots__ = ("_octets", "head_deadline", "is_spelled", "plane")

    def __init__(self, manager: _Server, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self.plane = manager.plane
        self.is_spelled = True
        self._octets = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first head; aiohttp's idle limit begins only after it."""
        super().connection_made(transport)
        self.head_deadline = asyncio.get_running_loop().call_later(HEAD_SECONDS, transport.close)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Wait no longer."""
        self.head_deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; a strict gate first looks whether the octets are a phone's."""
        if self.plane.is_strict and self.is_spelled:
            self._octets, self.is_spelled = take_heads(self._octets + data)
        super().data_received(data)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a malformed request or a failure of ours, and close."""
        del exc, message
        if request.writer.output_size > 0:
            raise ConnectionError("the answer was already begun")
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return to_response(self.plane.refuse(Reason.MALFORMED))
        return to_response(self.plane.fail())
