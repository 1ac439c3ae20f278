"""aiohttp's low-level server for requests that the fast path does not answer.

By default aiohttp adds `Server`, logs client addresses and answers malformed requests with its own
texts. To keep the privacy promise, subclasses of its public classes replace each of these here.
"""

import asyncio
import logging
import math
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage

from server.http.connections import Connections
from server.http.heads import END
from server.http.plane import Plane
from server.http.sending import unacknowledged
from server.http.turns import SLOW_ANSWER

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
LINE_LIMIT = 2048  # bytes of a request line or header; the longest path has under 400
HEADER_LIMIT = 48  # headers of a request; browsers send about 20
REST = 16_384  # bytes that a client may pipeline before reading is paused
_EMPTY_LINES = re.compile(rb"[\r\n]+")
_BARE_END = re.compile(rb"(?<!\r)\n")
_MALFORMED = b"\0"

_SILENT = logging.getLogger("hening.silent")
_SILENT.disabled = True


class FallbackServer(web.Server):
    """A server without a socket, which takes over connections from the fast path."""

    def __init__(self, plane: Plane, monotonic: Callable[[], float]) -> None:
        self.options: dict[str, Any] = {
            "access_log": None,
            "logger": _SILENT,
            "max_line_size": LINE_LIMIT,
            "max_field_size": LINE_LIMIT,
            "max_headers": HEADER_LIMIT,
            "keepalive_timeout": plane.limits.idle_seconds,
            "lingering_time": 0,
            "auto_decompress": False,
        }
        super().__init__(_handle, request_factory=_make_request, **self.options)
        self.plane = plane
        self.registry = Connections(plane, monotonic, self.take)

    def __call__(self) -> web.RequestHandler:
        """Return the protocol for a connection."""
        return _Protocol(self, loop=asyncio.get_running_loop(), **self.options)

    def take(self, transport: asyncio.Transport, data: bytes) -> None:
        """Take over a connection with its unanswered bytes `data`.

        Bytes that the fast path has written are sent first.
        """
        handler = self()
        transport.set_protocol(handler)
        handler.connection_made(transport)
        handler.data_received(data)


async def _handle(request: web.BaseRequest) -> web.StreamResponse:
    protocol = request.protocol
    if not isinstance(protocol, _Protocol):
        raise TypeError("a request has another protocol than FallbackServer's")
    response = await protocol.plane.handle(request, is_spelled=protocol.is_spelled)
    protocol.after(request, response)
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
    if message.method == "UNKNOWN":  # aiohttp's placeholder for an unreadable request
        message = message._replace(version=HttpVersion11)
    return _Request(message, payload, protocol, writer, task, asyncio.get_running_loop())


class _Request(web.BaseRequest):
    """A request whose response has only headers of the table."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        for name in [name for name in response.headers if name not in RESPONSE_HEADERS]:
            del response.headers[name]


class _Protocol(web.RequestHandler):
    """Gives aiohttp one head at a time, and answers malformed requests and internal failures.

    aiohttp gets the next head when the previous answer is known. Otherwise it would discard the
    parsed requests of a packet with a malformed rest, and read everything that a client pipelines.
    Between two requests aiohttp's own limit applies. `deadline` is for heads, and for clients that
    take nothing.
    """

    __slots__ = (
        "_beginning",
        "_is_asked",
        "_is_full",
        "_is_lined_up",
        "_is_over",
        "_is_slow",
        "_rest",
        "buffered",
        "deadline",
        "has_ended",
        "is_spelled",
        "last_unacknowledged",
        "least",
        "limit",
        "plane",
        "registry",
        "stalls",
    )

    def __init__(self, manager: FallbackServer, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self.registry = manager.registry
        self.plane = manager.plane
        self.has_ended = False  # the client has closed its half of the connection
        self.is_spelled = True  # the current head is spelled as the plane requires
        self.buffered = self.last_unacknowledged = 0
        self.least, self.stalls = 1, 0.0
        self._beginning = b""  # the part of an incomplete head that aiohttp has
        self._is_asked = False  # a request is complete, and its answer is not known yet
        self._is_full = False  # reading is paused until some of `_rest` is answered
        self._is_lined_up = False  # the next head waits for a turn
        self._is_over = False  # no further answer follows
        self._is_slow = False  # the client does not take the written bytes
        self._rest = b""  # received bytes that aiohttp does not have yet

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the deadline of the first head; aiohttp's idle limit applies only after it."""
        super().connection_made(transport)
        self.deadline, self.limit = self.registry.until_head, "head"
        self.registry.register(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Unregister the connection, and discard its bytes."""
        self._is_over, self._rest = True, b""
        self.registry.set_buffered(self, 0)
        self.registry.unregister(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start the deadline of a client that does not take the written bytes."""
        super().pause_writing()
        if self.transport is not None and not self.plane.downloads.watches(self.transport):
            self.last_unacknowledged = self.unacknowledged()
            self.deadline, self.limit = self.registry.until_stall, "stall"
            self._is_slow = True
            self._hold()

    def resume_writing(self) -> None:
        """End the deadline: the client has taken the written bytes."""
        super().resume_writing()
        self.deadline, self._is_slow = math.inf, False
        self._hold()

    def _hold(self) -> None:
        waiting = 0
        if self._is_slow and self.transport is not None:
            waiting = self.transport.get_write_buffer_size()
        ahead = len(self._rest) if len(self._rest) > REST else 0
        if waiting + ahead != self.buffered:
            self.registry.set_buffered(self, waiting + ahead)

    def data_received(self, data: bytes) -> None:
        """Keep the received bytes, and give aiohttp the next head if it may have it."""
        if self._is_over:
            return
        self._rest += data
        if self.registry.turns.is_over:
            self._line_up()
        elif not self._is_lined_up:
            self._give()
        if len(self._rest) > REST and self.transport is not None:
            self._is_full = True
            self.transport.pause_reading()
            self._hold()

    def _line_up(self) -> None:
        """Queue the received bytes for a turn."""
        if not self._is_lined_up:
            self._is_lined_up = True
            self.registry.turns.line_up(self._take_turn)

    def _take_turn(self) -> None:
        self._is_lined_up = False
        # On a closed connection aiohttp's task would begin with this head, and fail.
        if self.transport is not None and not self.transport.is_closing():
            self._give()

    def _give(self) -> None:
        """Give aiohttp the next head, or the part of it that has arrived."""
        while self._rest and not (self._is_asked or self._is_over):
            if not self._beginning:
                # Empty lines in front of a head are ignored (RFC 9112 section 2.2). Phones do not
                # send them.
                empty = _EMPTY_LINES.match(self._rest)
                self.is_spelled = empty is None
                self._rest = self._rest[empty.end() :] if empty else self._rest
                if not self._rest:
                    return
            known = self._beginning
            end = (known[-3:] + self._rest).find(END) + len(END) - len(known[-3:])
            is_whole = end + len(known[-3:]) >= len(END)
            if (known + self._rest[:4]).startswith(b"PRI "):
                is_whole = False  # aiohttp refuses HTTP/2's preface only when it is complete
            piece = self._rest[:end] if is_whole else self._rest
            if _BARE_END.search(known[-1:] + piece, len(known[-1:])) is not None:
                # aiohttp refuses it, too, but the status would depend on the pieces that arrive.
                self._is_asked, self._rest = True, b""
                super().data_received(_MALFORMED)
                return
            self._rest = self._rest[len(piece) :]
            self._beginning = b"" if is_whole else (known + piece)[-LINE_LIMIT:]
            self._is_asked = is_whole
            if is_whole:
                self.registry.turns.spend(SLOW_ANSWER)
                self.is_spelled = self.is_spelled and self.plane.is_spelled(known + piece)
            if not is_whole and self.deadline == math.inf:
                self.deadline, self.limit = self.registry.until_head, "head"
            super().data_received(piece)
        if self._is_full and len(self._rest) <= REST and self.transport is not None:
            self._is_full = False
            self.transport.resume_reading()
            self._hold()

    def after(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Continue when an answer is known: with the next head in its turn, or the end."""
        self._is_asked = False
        if self.registry.is_draining or (self.has_ended and END not in self._rest):
            response.force_close()
        if response.keep_alive is False or not request.keep_alive:
            self._is_over, self._rest = True, b""
        if self._rest:
            self._line_up()
        else:
            self._give()  # resumes reading

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio's, which aiohttp narrows
        """Answer the requests that came before the client closed its half, then close."""
        self.has_ended = True
        is_plain = self.transport is not None and not self.transport.get_extra_info("sslcontext")
        return is_plain and (self._is_asked or END in self._rest)

    def unacknowledged(self) -> int:
        """Return the number of written bytes that the client has not taken yet."""
        return 0 if self.transport is None else unacknowledged(self.transport)

    def cut(self) -> None:
        """End the connection immediately; bytes that are not sent yet are discarded."""
        if self.transport is not None:
            self.transport.abort()

    def drain(self) -> None:
        """Make the next answer the last; an idle connection gets a short grace period."""
        if not self._is_asked and self.deadline == math.inf:
            self.registry.linger(self)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a malformed request or an internal failure, and close."""
        del message
        self._is_over, self._rest = True, b""
        if request.writer.output_size > 0 or isinstance(exc, ConnectionError):
            raise ConnectionError("the answer was already begun, or the client is gone")
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return self.plane.refuse_malformed()
        return self.plane.fail()
