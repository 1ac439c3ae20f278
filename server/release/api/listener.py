"""The API's listener: aiohttp's low-level server without its texts, its headers and its log.

As on the device plane, subclasses of aiohttp's exported classes replace these.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Protocol

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion10, HttpVersion11, RawRequestMessage

from server.core.buckets import Bucket
from server.release.api.problems import MEDIA_TYPE, ProblemError, describe
from server.release.api.rates import BURST_SECONDS, choose_displaced
from server.release.auth.principal import Principal
from server.release.errors import Share

FIXED_HEADERS = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
)
"""The headers of every answer; a handler's own header of the same name takes precedence."""
LINE_LIMIT = 8190  # bytes of a request line or header: much more than a cursor or a token needs
READ_SIZE = 4096  # bytes parsed ahead: a whole urgent body, and at most 256 chunks
HEADER_LIMIT = 64  # headers of a request
HEAD_LIMIT = 65_536  # bytes of a head; the parser buffers most of them until it is complete
HEAD_TOO_LARGE = (
    f"The head of a request has at most {HEAD_LIMIT} bytes: send fewer or shorter headers."
)
IDLE_SECONDS = 30.0  # for a whole head to arrive, and between requests
DRAIN_SECONDS = 10.0  # how long handlers under way may take at shutdown
STALL_SECONDS = 30.0  # how long a client may read nothing of an answer
LINGER_SECONDS = 2.0  # how long a refused body is discarded, so that its sender reads the answer
VERSIONS = frozenset({HttpVersion10, HttpVersion11})
DELAY_SECONDS = 1.0
"""The delay of refusals, and of answers to callers without a token, over the rate limit.

The limit is `refusals_per_second`. Without the delay, clients that repeat a refused request
immediately would keep the interpreter busy and delay all other requests.
"""
DISPLACED_SECONDS = 1.0  # how long the client of a displaced connection has to read the reason

SILENT = logging.getLogger("hening.silent")
SILENT.disabled = True


class Answering(Protocol):
    """A handler of requests: the API, or a site that passes the API's paths to it."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. Raises ConnectionError if its client is gone."""

    def fail(self, error: BaseException | None) -> web.StreamResponse:
        """Answer an error that was raised outside of `handle`."""

    def refuse_malformed(self) -> web.StreamResponse:
        """Answer bytes that are not an HTTP request."""


@contextlib.asynccontextmanager
async def listening(
    api: Answering,
    host: str,
    port: int,
    tls: ssl.SSLContext | None,
    *,
    connections: int,
    refusals: int,
    count_limit: Callable[[Share], None],
) -> AsyncIterator[int]:
    """Serve on `host` and `port` (0: any free one) until the block ends; yield the port.

    `connections` is the maximum; a new one beyond it displaces another. `refusals` is the number
    per second that are sent without delay, with bursts of four times as many. `count_limit` is
    called when either limit is exceeded.
    """
    server = _Server(
        _handle, keepalive_timeout=IDLE_SECONDS, lingering_time=LINGER_SECONDS, **SERVER_OPTIONS
    )
    server.api = api
    server.limit = connections
    server.refusals = make_refusals(refusals, asyncio.get_running_loop().time())
    server.count_limit = count_limit
    runner = web.ServerRunner(server, shutdown_timeout=DRAIN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def record_account(request: web.BaseRequest, principal: Principal) -> None:
    """Record the caller's account and token on the request's connection: see choose_displaced."""
    if isinstance(request.protocol, _Protocol):
        request.protocol.account = principal.name
        request.protocol.token = principal.token


async def _handle(request: web.BaseRequest) -> web.StreamResponse:
    protocol = request.protocol
    if not isinstance(protocol, _Protocol):
        raise TypeError("the connection of a request has an unexpected class")
    protocol.request = request
    try:
        response = await answer(request, protocol.api)
        skip_chunks(request, response)
        is_cheap = response.status >= HTTPStatus.BAD_REQUEST or not protocol.account
        if is_cheap and protocol.server.refusals.take(asyncio.get_running_loop().time()):
            protocol.server.count_limit(Share.REFUSALS)
            await delay_answer(request, response)
        return response
    finally:
        protocol.request = None


def make_refusals(per_second: int, now: float) -> Bucket:
    """Return the bucket of refusals and similar answers that are sent without delay."""
    burst = float(per_second * BURST_SECONDS)
    return Bucket(burst, per_second, burst, now)


async def delay_answer(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Wait before `response` is sent, without reading from the connection meanwhile.

    If the request's body is incomplete, the connection ends with the answer. Reading is resumed
    only if it was paused here, since aiohttp pauses it for buffered requests and bodies.
    """
    transport = request.transport
    is_reading = transport is not None and transport.is_reading()
    if transport is not None and is_reading:
        transport.pause_reading()
    await asyncio.sleep(DELAY_SECONDS)
    if not request.content.is_eof():
        response.force_close()
        return
    with contextlib.suppress(RuntimeError):  # the transport is closing
        if transport is not None and is_reading:
            transport.resume_reading()


def skip_chunks(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """After refusing a chunked body, parse no more of it, and end the connection.

    A chunk of one byte costs as much as one of 64 KiB, so 30 clients could keep the loop busy.
    """
    is_refusal = response.status >= HTTPStatus.BAD_REQUEST
    is_chunked = "Transfer-Encoding" in request.headers
    if is_refusal and is_chunked and not request.content.is_eof():
        response.force_close()
        if isinstance(request.protocol, DiscardingHandler):
            request.protocol.is_skipping = True


async def answer(request: web.BaseRequest, api: Answering) -> web.StreamResponse:
    """Let `api` answer a request; refuse an invalid HTTP version or Host."""
    hosts = len(request.headers.getall("Host", []))
    if (
        request.version not in VERSIONS
        or hosts > 1
        or (request.version == HttpVersion11 and not hosts)
    ):
        return api.refuse_malformed()
    return await api.handle(request)


def _make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    return _Request(message, payload, protocol, writer, task, asyncio.get_running_loop())


class _Request(web.BaseRequest):
    """A request whose answer has the fixed headers and no Server header."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        for name, value in FIXED_HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.popall("Server", None)


SERVER_OPTIONS: Mapping[str, Any] = MappingProxyType(
    {
        "request_factory": _make_request,
        "access_log": None,
        "logger": SILENT,
        "max_line_size": LINE_LIMIT,
        "max_field_size": LINE_LIMIT,
        "max_headers": HEADER_LIMIT,
        "read_bufsize": READ_SIZE,
        "auto_decompress": False,
    }
)
"""Arguments of aiohttp's server that the API's listeners have in common."""


class DiscardingHandler(web.RequestHandler):
    """A connection that limits the head of requests, and answers errors in our format.

    After some refusals it discards further input, so that the client can read the answer.
    """

    __slots__ = ("_head", "_timeout", "api", "is_skipping")

    def __init__(self, manager: web.Server, api: Answering, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self.api = api
        self.is_skipping = False
        self._head = 0  # bytes of an incomplete head
        self._timeout: asyncio.TimerHandle | None = None

    def start_timeout(self, seconds: float, act: Callable[[], None]) -> None:
        """Call `act` after `seconds`, instead of an earlier timeout."""
        self.stop_timeout()
        self._timeout = asyncio.get_running_loop().call_later(seconds, act)

    def stop_timeout(self) -> None:
        """End the timeout, if there is one."""
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

    def resume_writing(self) -> None:
        """End the timeout: the client reads again."""
        self.stop_timeout()
        super().resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End the timeout."""
        self.stop_timeout()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the input, unless it is being discarded; refuse a head that is too long."""
        if self.is_skipping:
            return
        super().data_received(data)
        is_whole = self._waiter is None or self._waiter.done()
        self._head = 0 if is_whole else self._head + len(data)
        if self.has_long_head:
            self._refuse_head()

    @property
    def has_long_head(self) -> bool:
        """Whether the connection ends because its head was too long."""
        return self._head > HEAD_LIMIT

    def _refuse_head(self) -> None:
        """Refuse the head, and discard input for a while: a TCP reset could lose the answer."""
        self.is_skipping = True
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        answer = self.api.fail(ProblemError(431, "head-too-large", HEAD_TOO_LARGE))
        body = answer.body if isinstance(answer, web.Response) else None
        data = body if isinstance(body, bytes) else b""
        transport.write(_spell(answer.status, answer.headers, data))
        if transport.can_write_eof():
            transport.write_eof()
        asyncio.get_running_loop().call_later(self._lingering_time, transport.abort)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a malformed request or an internal failure, and close."""
        del message
        is_begun = request.writer.output_size > 0
        if is_begun or request.transport is None or isinstance(exc, ConnectionError):
            raise ConnectionError("the answer was already begun, or the client is gone")
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return self.api.refuse_malformed()
        response = self.api.fail(exc)
        response.force_close()
        return response


class _Server(web.Server):
    """A server whose connections are `_Protocol` objects."""

    api: Answering
    limit: int
    refusals: Bucket
    count_limit: Callable[[Share], None]

    def __call__(self) -> web.RequestHandler:
        return _Protocol(self, loop=asyncio.get_running_loop(), **self._kwargs)


def _spell(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return the bytes of an answer with `Connection: close`."""
    fields = {
        **FIXED_HEADERS,
        **headers,
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{lines}\r\n".encode() + body


def _displaced_answer() -> bytes:
    sentence = (
        "All connections were in use, and this one was closed for another: check the result of your"
        " request, and try again in 1 s."
    )
    refusal = describe(ProblemError(503, "unavailable", sentence, {"Retry-After": "1"}), "")
    return _spell(503, {**refusal.headers, "Content-Type": MEDIA_TYPE}, refusal.data)


DISPLACED_ANSWER = _displaced_answer()
"""The answer to a client whose connection is displaced."""


class _Protocol(DiscardingHandler):
    """A connection that new ones may displace, and that is aborted if its client stops reading."""

    __slots__ = ("account", "is_leaving", "request", "server", "token")

    def __init__(self, manager: _Server, **kwargs: Any) -> None:
        super().__init__(manager, manager.api, **kwargs)
        self.server = manager
        self.request: web.BaseRequest | None = None  # the one being answered
        self.account = self.token = ""  # of the last valid token sent over it
        self.is_leaving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept a connection; over the limit, close another one or this one."""
        super().connection_made(transport)
        others = [
            each
            for each in self.server.connections
            if isinstance(each, _Protocol) and each is not self and not each.is_leaving
        ]
        if len(others) < self.server.limit:
            return
        leaving = choose_displaced(others)
        self.server.count_limit(Share.CONNECTIONS)
        if leaving is None:
            self.leave(is_asking=True)
        else:
            others[leaving].leave(is_asking=others[leaving].is_asking)

    @property
    def is_busy(self) -> bool:
        """Whether one of its requests is being answered."""
        return self.request is not None

    @property
    def is_asking(self) -> bool:
        """Whether a request is being answered and nothing of the answer was sent yet."""
        return self.request is not None and not self.request.writer.output_size

    def leave(self, *, is_asking: bool) -> None:
        """Close this connection; if `is_asking`, send the client the reason first."""
        self.is_leaving = True
        transport = self.transport
        if transport is None:
            return
        if not is_asking:
            transport.abort()
            return
        transport.write(DISPLACED_ANSWER)
        transport.close()
        asyncio.get_running_loop().call_later(DISPLACED_SECONDS, transport.abort)

    def pause_writing(self) -> None:
        """Start the timeout of a client that stops reading, which would keep the connection."""
        super().pause_writing()
        if self.transport is not None:
            self.start_timeout(STALL_SECONDS, self.transport.abort)
