"""aiohttp's low-level server, bent to the promise, for what the lane does not answer.

aiohttp adds `Server`, names client addresses in its logs and answers malformed requests with texts
of its own; each is replaced here, through the classes that it exports.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage

from server.device.front import Front
from server.device.gate import GateMode, Reason, take_heads
from server.device.heads import END
from server.device.plane import DevicePlane

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

_SILENT = logging.getLogger("hening.silent")
_SILENT.disabled = True


class HandoverServer(web.Server):
    """A server without a socket: it is given the connections that its `front` cannot answer."""

    def __init__(self, plane: DevicePlane, monotonic: Callable[[], float]) -> None:
        super().__init__(
            _handle,
            request_factory=_make_request,
            access_log=None,
            logger=_SILENT,
            max_line_size=LINE_LIMIT,
            max_field_size=LINE_LIMIT,
            max_headers=HEADER_LIMIT,
            keepalive_timeout=plane.limits.idle_seconds,
            lingering_time=0,
            auto_decompress=False,
        )
        self.plane = plane
        self.front = Front(plane, monotonic, self.take)

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of a connection."""
        return _Protocol(self, loop=asyncio.get_running_loop(), **self._kwargs)

    def take(self, transport: asyncio.Transport, octets: bytes) -> None:
        """Take a connection over; `octets` came over it and are still to be answered.

        What was written before goes out before what is written from here on.
        """
        handler = self()
        transport.set_protocol(handler)
        handler.connection_made(transport)
        handler.data_received(octets)


async def _handle(request: web.BaseRequest) -> web.StreamResponse:
    protocol = request.protocol
    if not isinstance(protocol, _Protocol):
        raise TypeError("a request came over a connection that is not ours")
    try:
        response = await protocol.plane.handle(request, is_spelled=protocol.is_spelled)
    finally:
        protocol.asked -= 1
    if protocol.front.is_draining or (protocol.has_ended and not protocol.asked):
        response.force_close()
    return response


def _make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> "_Request":
    if isinstance(protocol, _Protocol):
        protocol.deadline = math.inf
    return _Request(message, payload, protocol, writer, task, asyncio.get_running_loop())


class _Request(web.BaseRequest):
    """A request whose response carries the headers of the table and no others."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        for name in [name for name in response.headers if name not in RESPONSE_HEADERS]:
            del response.headers[name]


class _Protocol(web.RequestHandler):
    """What cannot be parsed is a refusal, what fails here a failure; neither says a word more.

    Between two requests aiohttp's own limit holds; `deadline` is for the first head, and for
    clients that take nothing.
    """

    __slots__ = (
        "_octets",
        "_tail",
        "asked",
        "deadline",
        "front",
        "has_ended",
        "is_spelled",
        "limit",
        "plane",
    )

    def __init__(self, manager: HandoverServer, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self.front = manager.front
        self.plane = manager.plane
        self.asked = 0  # requests that came whole and are not answered yet
        self.has_ended = False  # the client sends nothing more
        self.is_spelled = True
        self._octets = b""
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first head; aiohttp's idle limit begins only after it."""
        super().connection_made(transport)
        self.deadline, self.limit = self.front.until_head, "head"
        self.front.enter(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Wait no longer."""
        self.front.leave(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not take what was written."""
        super().pause_writing()
        if not self.plane.downloads.watches(self.transport):
            self.deadline, self.limit = self.front.until_stall, "stall"

    def resume_writing(self) -> None:
        """Wait no longer."""
        super().resume_writing()
        self.deadline = math.inf

    def data_received(self, data: bytes) -> None:
        """Parse; a strict gate first looks whether the octets are a phone's."""
        if self.plane.mode is GateMode.STRICT and self.is_spelled:
            self._octets, self.is_spelled = take_heads(self._octets + data)
        for piece in self._split(data):
            self.asked += piece.endswith(END)
            super().data_received(piece)

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio's, which aiohttp narrows
        """Answer what was asked before a client ended its half of the connection, then close."""
        self.has_ended = True
        is_plain = self.transport is not None and not self.transport.get_extra_info("sslcontext")
        return is_plain and self.asked > 0

    def _split(self, data: bytes) -> Iterator[bytes]:
        """Yield `data` cut behind the end of each head, wherever packets ended.

        aiohttp takes back what it has read of a packet where something behind it is malformed.
        """
        data, known = self._tail + data, len(self._tail)
        self._tail = data[-3:]
        begin = known
        while (end := data.find(END, max(begin - 3, 0)) + len(END)) >= len(END):
            yield data[begin:end]
            begin = end
        if begin < len(data):
            yield data[begin:]

    def cut(self) -> None:
        """End the connection whatever is still to be written."""
        if self.transport is not None:
            self.transport.abort()

    def drain(self) -> None:
        """Let the next answer be the last; with nothing under way, wait for it a moment only."""
        if not self.asked and self.deadline == math.inf:
            self.deadline, self.limit = self.front.until_linger, ""

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
            return self.plane.to_response(self.plane.refuse(Reason.MALFORMED))
        return self.plane.to_response(self.plane.fail())
