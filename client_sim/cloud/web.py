"""One HTTP connection to a cloud: write each request byte by byte, and parse the response.

Only this module writes requests to the cloud. A library would add headers, such as a user agent, a
language or a cookie. A guard is called before the name is resolved, before the connection opens,
and before each piece of a body. So no further byte leaves once the owner has turned the type off.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, Self
from urllib.parse import urlsplit

import h11

from client_sim.cloud.errors import CloudError, DeceivedError, UnavailableError
from client_sim.world import Stream

PIECE: Final = 64 * 1024
"""Bytes of a body sent between two calls of the guard."""
LIMIT: Final = 64 * 1024 * 1024
"""Maximum bytes of a response; a page has at most 8 MiB of bodies, a photo's piece about 9 MiB."""
_HEAD_LIMIT: Final = 16 * 1024
_RECEIVE: Final = 64 * 1024
_RESPONSE_TIMEOUT: Final = 600.0  # seconds to wait for a response; rotations and erasures are slow
_PATH: Final = re.compile(r"/[A-Za-z0-9._/?=&-]*")
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE")

Guard = Callable[[], None]
"""Raises OffError if nothing more may be sent."""


class Platform(Protocol):
    """The phone's network access, clock and randomness; a part of `client_sim.world.World`."""

    def entropy(self, n: int) -> bytes: ...  # noqa: D102
    def now(self) -> float: ...  # noqa: D102
    def resolve(self, host: str) -> Sequence[str]: ...  # noqa: D102
    def connect(self, address: str, port: int, tls: str | None) -> Stream: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a region's cloud; `tls` is false only on loopback."""

    host: str
    port: int
    tls: bool

    @property
    def header(self) -> str:
        """The value of `Host`, with the port unless it is the scheme's default."""
        default = 443 if self.tls else 80
        return self.host if self.port == default else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Response:
    """A response: status, body, and `Retry-After` in seconds, 0 without one."""

    status: int
    body: bytes
    retry_after: int


def parse_origin(text: str) -> Origin:
    """Parse `https://HOST[:PORT]`, or http for loopback; raises CloudError."""
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        raise CloudError(f"{text} is not an origin, such as https://cloud.example.") from None
    is_origin = parts.path in {"", "/"} and not parts.query and not parts.fragment
    if parts.scheme not in {"http", "https"} or not parts.hostname or not is_origin:
        raise CloudError(f"{text} is not an origin, such as https://cloud.example.")
    tls = parts.scheme == "https"
    return Origin(parts.hostname, port or (443 if tls else 80), tls)


class Connection:
    """A connection that opens at the first request; use it as a context manager."""

    def __init__(self, platform: Platform, origin: Origin, guard: Guard) -> None:
        self._platform = platform
        self._origin = origin
        self._guard = guard
        self._stream: Stream | None = None
        self._is_unread = False
        self._machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)
        self.sent = 0
        self.requests = 0

    @property
    def host(self) -> str:
        """The host to name in signed requests."""
        return self._origin.header

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another one."""
        stream, self._stream, self._is_unread = self._stream, None, False
        if stream is not None:
            try:
                stream.close()
            except OSError:
                return  # nothing remains to be sent

    def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Response:
        """Send a request and return its response.

        Raises OffError from the guard, UnavailableError if the connection fails, and another
        CloudError if the request or the response is malformed.
        """
        self.begin(method, path, headers, body)
        return self.finish()

    def begin(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> None:
        """Send a request; `finish` reads its response. Raises as `request` does."""
        if self._is_unread:
            self.close()
        with self._closing():
            stream = self._open()
            head = self._encode(method, path, headers, body)
            self.requests += 1
            self._is_unread = True
            self._send(stream, head)
            for at in range(0, len(body or b""), PIECE):
                self._send(stream, (body or b"")[at : at + PIECE])

    def finish(self) -> Response:
        """Return the response to the request sent by `begin`; raises as `request` does."""
        with self._closing():
            if self._stream is None:
                raise UnavailableError("The connection to the cloud broke before the response.")
            response = self._read(self._stream)
        self._is_unread = False
        if self._machine.our_state is not h11.DONE or self._machine.their_state is not h11.DONE:
            self.close()
        return response

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """Close the connection if the block fails, as it cannot be used for another request."""
        try:
            yield
        except OSError as error:
            self.close()
            raise UnavailableError(f"The connection to the cloud broke: {error}.") from error
        except BaseException:
            self.close()
            raise

    def _send(self, stream: Stream, data: bytes) -> None:
        self._guard()
        stream.send(data)
        self.sent += len(data)

    def _open(self) -> Stream:
        self._guard()
        if self._stream is not None:
            self._machine.start_next_cycle()
            return self._stream
        origin = self._origin
        try:
            addresses = self._platform.resolve(origin.host)
            if not addresses:
                raise UnavailableError(f"The name {origin.host} has no address.")
            self._guard()
            self._stream = self._platform.connect(
                addresses[0], origin.port, origin.host if origin.tls else None
            )
        except OSError as error:
            raise UnavailableError(f"{origin.host} cannot be reached: {error}.") from error
        self._machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)
        return self._stream

    def _encode(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> bytes:
        """Return the head of a request; h11 only tracks the state and writes nothing."""
        if method not in _METHODS or not _PATH.fullmatch(path) or ".." in path:
            raise CloudError("The phone never sends such a request.")
        fields = {"Host": self._origin.header, **headers}
        if body is not None or method in {"POST", "PUT"}:
            fields["Content-Length"] = str(len(body or b""))
        self._machine.send(
            h11.Request(method=method, target=path, headers=[("Host", self._origin.header)])
        )
        self._machine.send(h11.EndOfMessage())
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("ascii")

    def _read(self, stream: Stream) -> Response:
        end = self._platform.now() + _RESPONSE_TIMEOUT
        response: h11.Response | None = None
        parts: list[bytes] = []
        size = 0
        while True:
            try:
                event = self._machine.next_event()
            except h11.ProtocolError:
                raise DeceivedError("The server's response is not HTTP/1.1.") from None
            if event is h11.NEED_DATA:
                if self._platform.now() > end:
                    raise UnavailableError("The server's response takes too long; try again later.")
                self._receive(stream, is_begun=response is not None)
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > LIMIT:
                    raise DeceivedError("The server's response is longer than any valid one.")
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage) and response is not None:
                return Response(response.status_code, b"".join(parts), _find_retry(response))
            elif isinstance(event, h11.InformationalResponse):
                raise DeceivedError("The server sent an unexpected informational response.")
            else:
                raise UnavailableError("The server closed the connection without an answer.")

    def _receive(self, stream: Stream, *, is_begun: bool) -> None:
        data = stream.recv(_RECEIVE)
        if not data and not is_begun and not self._machine.trailing_data[0]:
            raise UnavailableError("The server closed the connection without an answer.")
        self._machine.receive_data(data)


def _find_retry(response: h11.Response) -> int:
    for name, value in response.headers:
        if name == b"retry-after" and value.isdigit() and len(value) < 7:
            return int(value)
    return 0
