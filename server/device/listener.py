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

from server.device.gate import Reason
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
IDLE_SECONDS = 30.0  # a phone closes at once; this is for caches that keep connections
DRAIN_SECONDS = 5.0  # how long answers under way may take at shutdown

_SILENT = logging.getLogger("hening.silent")
_SILENT.disabled = True


@contextlib.asynccontextmanager
async def listening(plane: DevicePlane, host: str, port: int) -> AsyncIterator[int]:
    """Serve on `host` and `port` (0: any free one) until the block ends; gives the port."""
    server = _Server(
        plane.handle,
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


def _make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> "_Request":
    loop = asyncio.get_running_loop()
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

    __slots__ = ("_plane",)

    def __init__(self, manager: _Server, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._plane = manager.plane

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
            return to_response(self._plane.refuse(Reason.MALFORMED))
        return to_response(self._plane.fail())
