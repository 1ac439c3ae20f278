"""Reads one answer from a stream within limits of size and time (FORMATS section 9).

h11 parses the response; it does no I/O. Of the headers only Content-Range is kept.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import h11

from client_sim.device.errors import TransportError, UnreachableError
from client_sim.world import Stream

GRACE: Final = 30.0
"""Seconds at the start of an answer during which its speed is not checked."""

SLOWEST: Final = 1_024
"""Minimum average speed of an answer after the grace period, in bytes per second."""


class Pace:
    """Checks the speed of one answer, which may take at most `seconds` in total."""

    def __init__(self, now: Callable[[], float], seconds: float) -> None:
        self._now = now
        self._start = now()
        self._seconds = seconds
        self._received = 0

    def check(self, size: int) -> None:
        """Count `size` more bytes; raises TransportError if the answer is too slow so far."""
        self._received += size
        passed = self._now() - self._start
        if passed > self._seconds:
            raise TransportError("The server's answer takes too long; try again later.")
        if self._received < SLOWEST * (passed - GRACE):
            raise TransportError("The server's answer is too slow; try again later.")


# Bytes of a response head; the server of this project sends about 500.
HEAD_LIMIT: Final = 16_384
_HEADER_COUNT: Final = 64
_RECEIVE: Final = 65_536
# Bytes that framing (chunk sizes, gzip's header and trailer) may add to a body.
_OVERHEAD: Final = 65_536


_END: Final = h11.EndOfMessage()
_CACHED: Final = 64  # cached first requests of polls, for simulations of many phones


@lru_cache(_CACHED)
def _make_request(path: str, host: str) -> h11.Request:
    return h11.Request(method="GET", target=path, headers=[("Host", host)])


@dataclass(frozen=True, slots=True)
class Answer:
    """The parts of a response that a phone uses; `body` is decoded."""

    status: int
    content_range: bytes | None
    body: bytes


class AnswerReader:
    """Reads answers from one connection, one for each request.

    The phone's server states the length of each answer. `lenient` also accepts HTTP/1.0 and answers
    that end with the connection, for other servers.
    """

    def __init__(self, stream: Stream, now: Callable[[], float], *, lenient: bool = False) -> None:
        self._stream = stream
        self._now = now
        self._lenient = lenient
        self._machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
        self._ended = False

    def expect(self, path: str, host: str) -> None:
        """Tell the parser which request is about to be sent; it does not write the request itself.

        Raises TransportError if the server closed the connection or sent bytes without a request.
        """
        try:
            if self._machine.states[h11.CLIENT] is h11.DONE:
                self._machine.start_next_cycle()
            if self._machine.trailing_data[0]:
                raise TransportError("The server sent bytes without a request.")
            self._machine.send(_make_request(path, host))
            self._machine.send(_END)
        except h11.ProtocolError:
            raise TransportError(
                "The server closed the connection before the poll's last request."
            ) from None

    def read(self, *, limit: int, seconds: float, may_compress: bool) -> Answer:
        """Read the answer whose decoded body has at most `limit` bytes, within `seconds`.

        Raises TransportError for any other answer, UnreachableError if the connection breaks.
        """
        pace = Pace(self._now, seconds)
        budget = HEAD_LIMIT + limit + _OVERHEAD
        response: h11.Response | None = None
        body = _Body(limit, encoded=False)
        while True:
            try:
                event = self._machine.next_event()
            except h11.ProtocolError:
                raise self._explain() from None
            if event is h11.NEED_DATA:
                budget -= self._receive(budget, pace)
            elif isinstance(event, h11.InformationalResponse):
                raise TransportError(f"The server answered {event.status_code}, which ends a poll.")
            elif isinstance(event, h11.Response):
                response = event
                _check_head(response)
                if not self._lenient:
                    _check_framing(response)
                body = _Body(limit, encoded=_is_gzip(response, may_compress=may_compress))
            elif isinstance(event, h11.Data):
                body.feed(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                assert response is not None
                return Answer(response.status_code, _find_range(response), body.finish())
            else:
                raise UnreachableError("The server closed the connection without an answer.")

    def _explain(self) -> TransportError:
        if self._ended:
            return UnreachableError("The server closed the connection in the middle of an answer.")
        return TransportError("The server's answer is not HTTP/1.1.")

    def _receive(self, budget: int, pace: Pace) -> int:
        try:
            data = self._stream.recv(_RECEIVE)
        except OSError as error:
            raise UnreachableError(f"The connection broke while reading: {error}.") from error
        if len(data) > budget:
            raise TransportError("The server's answer is longer than the requested file may be.")
        pace.check(len(data))
        self._ended = not data
        self._machine.receive_data(data)
        return len(data)


class _Body:
    """Collects a body and decodes gzip incrementally, so that a zip bomb stops at the limit."""

    def __init__(self, limit: int, *, encoded: bool) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._inflate = zlib.decompressobj(wbits=31) if encoded else None

    def feed(self, data: bytes) -> None:
        if self._inflate is not None:
            try:
                # One byte more than allowed is enough to detect a longer body.
                data = self._inflate.decompress(data, self._limit + 1 - self._size)
            except zlib.error:
                raise TransportError("The server's answer is damaged gzip.") from None
            if self._inflate.unused_data:
                raise TransportError("The server's answer goes on after its gzip data.")
        self._size += len(data)
        if self._size > self._limit or (self._inflate and self._inflate.unconsumed_tail):
            raise TransportError(f"The server's answer is longer than {self._limit} bytes.")
        self._parts.append(data)

    def finish(self) -> bytes:
        if self._inflate is not None and not self._inflate.eof:
            raise TransportError("The server's answer is truncated gzip data.")
        return b"".join(self._parts)


def _check_head(response: h11.Response) -> None:
    # The parser checks its own limit only for heads that arrive in pieces.
    if sum(len(name) + len(value) for name, value in response.headers) > HEAD_LIMIT:
        raise TransportError("The head of the server's answer is too long.")
    if len(response.headers) > _HEADER_COUNT:
        raise TransportError(f"The server's answer has more than {_HEADER_COUNT} headers.")


def _check_framing(response: h11.Response) -> None:
    """Check that the head states where the body ends, so that a truncated body is detected."""
    if response.http_version != b"1.1":
        raise TransportError("The server's answer is not HTTP/1.1.")
    if not {b"content-length", b"transfer-encoding"} & {name for name, _ in response.headers}:
        raise TransportError("The server's answer does not say where it ends.")


def _is_gzip(response: h11.Response, *, may_compress: bool) -> bool:
    codings = [value for name, value in response.headers if name == b"content-encoding"]
    if not codings:
        return False
    if codings != [b"gzip"] or not may_compress:
        raise TransportError("The server's answer has a content coding that was not asked for.")
    return True


def _find_range(response: h11.Response) -> bytes | None:
    ranges = [value for name, value in response.headers if name == b"content-range"]
    return ranges[0] if len(ranges) == 1 else None
