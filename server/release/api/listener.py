"""The API's socket: aiohttp's low-level server without its texts, its headers and its log.

As on the device plane, what aiohttp would add or write is replaced through the classes that it
exports.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Protocol

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion10, HttpVersion11, RawRequestMessage

FIXED_HEADERS = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
)
"""Of every answer; a handler's own header of the same name wins."""
LINE_LIMIT = 8190  # octets of a request line or header: a cursor and a token fit many times
HEADER_LIMIT = 64  # headers of a request
IDLE_SECONDS = 30.0  # for a whole head to arrive, and between requests
DRAIN_SECONDS = 10.0  # how long handlers under way may take at shutdown
STALL_SECONDS = 30.0  # how long a client may take nothing of an answer that waits for it
LINGER_SECONDS = 2.0  # how long a refused body is read and thrown away, so that its sender listens
VERSIONS = frozenset({HttpVersion10, HttpVersion11})
MAX_CONNECTIONS = 256  # of a team and its tools; beyond that one without a valid token gives way

_SILENT = logging.getLogger("hening.silent")
_SILENT.disabled = True


class Answering(Protocol):
    """What answers on this socket: the API, or a site that lets it answer for its paths."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. Raises ConnectionError when its client is gone."""

    def fail(self, error: BaseException | None) -> web.StreamResponse:
        """Answer a failure that came after `handle`."""

    def refuse_malformed(self) -> web.StreamResponse:
        """Answer octets that are no HTTP request."""


@contextlib.asynccontextmanager
async def listening(
    api: Answering, host: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
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
        lingering_time=LINGER_SECONDS,
        auto_decompress=False,
    )
    server.api = api
    runner = web.ServerRunner(server, shutdown_timeout=DRAIN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def vouch(request: web.BaseRequest) -> None:
    """Note that a valid token came over a request's connection: it gives way to no other."""
    if isinstance(request.protocol, _Protocol):
        request.protocol.is_known = True


async def _handle(request: web.BaseRequest) -> web.StreamResponse:
    protocol = request.protocol
    if not isinstance(protocol, _Protocol):
        raise TypeError("a request came over a connection that is not ours")
    protocol.is_busy = True
    try:
        return await _answer(request, protocol)
    finally:
        protocol.is_busy = False


async def _answer(request: web.BaseRequest, protocol: "_Protocol") -> web.StreamResponse:
    hosts = len(request.headers.getall("Host", []))
    if (
        request.version not in VERSIONS
        or hosts > 1
        or (request.version == HttpVersion11 and not hosts)
    ):
        return protocol.api.refuse_malformed()
    return await protocol.api.handle(request)


def _make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> "_Request":
    return _Request(message, payload, protocol, writer, task, asyncio.get_running_loop())


class _Request(web.BaseRequest):
    """A request whose answer carries the fixed headers and no word of aiohttp's."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        for name, value in FIXED_HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.popall("Server", None)


class _Server(web.Server):
    """A server whose connections speak `_Protocol`."""

    api: Answering

    def __call__(self) -> web.RequestHandler:
        return _Protocol(self, loop=asyncio.get_running_loop(), **self._kwargs)


class _Protocol(web.RequestHandler):
    """What cannot be parsed is a refusal, what fails here a failure; both are problem documents."""

    __slots__ = ("_server", "_stalled", "api", "is_busy", "is_known", "is_leaving")

    def __init__(self, manager: _Server, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self.api = manager.api
        self._server = manager
        self._stalled: asyncio.TimerHandle | None = None
        self.is_busy = False  # a request of it is being answered
        self.is_known = False  # a valid token came over it
        self.is_leaving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection; where there are too many another one gives way, or this one."""
        super().connection_made(transport)
        others = [
            each
            for each in self._server.connections
            if isinstance(each, _Protocol) and each is not self and not each.is_leaving
        ]
        if len(others) < MAX_CONNECTIONS:
            return
        # Who holds connections without a token must not keep out whoever has one. The oldest goes
        # first, and before those that are being answered those that only wait.
        unknown = [each for each in others if not each.is_known]
        leaving = next((each for each in unknown if not each.is_busy), None)
        (leaving or next(iter(unknown), self)).leave()

    def leave(self) -> None:
        """End this connection at once, whatever waits to be sent."""
        self.is_leaving = True
        if self.transport is not None:
            self.transport.abort()

    def pause_writing(self) -> None:
        """Cut off a client that does not read on: it would hold its connection for ever."""
        super().pause_writing()
        if self.transport is not None:
            loop = asyncio.get_running_loop()
            self._stalled = loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        self._end_stall()
        super().resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Wait for nothing any more."""
        self._end_stall()
        super().connection_lost(exc)

    def _end_stall(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a malformed request or a failure of ours, and close."""
        del message
        if (
            request.writer.output_size > 0
            or request.transport is None
            or isinstance(exc, ConnectionError)
        ):
            raise ConnectionError("the answer was already begun, or nobody is there")
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return self.api.refuse_malformed()
        response = self.api.fail(exc)
        response.force_close()
        return response
