"""One connection to a cloud: the exact bytes of each request, and the reading of its answer.

Only this module writes requests of the cloud, never a library, which would add headers: a user
agent, a language, a cookie. A guard is asked before the name is looked up, before the connection
and before each piece of a body: when the owner turns the type off, no further byte leaves.
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
"""Bytes of a body that leave between two questions to the guard."""
LIMIT: Final = 64 * 1024 * 1024
"""Bytes of an answer: a page has at most 8 MiB of bodies, a photo's piece about 9 MiB."""
_HEAD_LIMIT: Final = 16 * 1024
_RECEIVE: Final = 64 * 1024
_PATIENCE: Final = 600.0  # seconds for one answer: a rotation or an erasure takes its time
_PATH: Final = re.compile(r"/[A-Za-z0-9._/?=&-]*")
_BASE: Final = ("GET", "HEAD", "POST", "PUT", "DELETE")

Guard = Callable[[], None]
"""Raises OffError when nothing more may be sent."""


class Outside(Protocol):
    """What leads out of the phone: a part of `client_sim.world.World`."""

    def entropy(self, n: int) -> bytes: ...  # noqa: D102
    def now(self) -> float: ...  # noqa: D102
    def resolve(self, host: str) -> Sequence[str]: ...  # noqa: D102
    def connect(self, address: str, port: int, tls: str | None) -> Stream: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a region's cloud is; `tls` is false only on loopback."""

    host: str
    port: int
    tls: bool

    @property
    def header(self) -> str:
        """The value of `Host`, with the port unless it is the scheme's default."""
        usual = 443 if self.tls else 80
        return self.host if self.port == usual else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a body, and `Retry-After` in seconds (0: not said)."""

    status: int
    body: bytes
    retry_after: int


def parse_origin(text: str) -> Origin:
    """Parse `https://HOST[:PORT]`, or http for loopback; raises CloudError."""
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        raise CloudError(f"{text} is no origin, such as https://cloud.example.") from None
    is_whole = parts.path in {"", "/"} and not parts.query and not parts.fragment
    if parts.scheme not in {"http", "https"} or not parts.hostname or not is_whole:
        raise CloudError(f"{text} is no origin, such as https://cloud.example.")
    tls = parts.scheme == "https"
    return Origin(parts.hostname, port or (443 if tls else 80), tls)


class Line:
    """A connection that opens at the first request; use it as a context manager."""

    def __init__(self, outside: Outside, origin: Origin, guard: Guard) -> None:
        self._outside = outside
        self._origin = origin
        self._guard = guard
        self._stream: Stream | None = None
        self._is_unread = False
        self._machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)
        self.sent = 0
        self.requests = 0

    @property
    def host(self) -> str:
        """The host that signed requests name."""
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

    def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """Send a request and return its answer; raises OffError, UnavailableError, CloudError."""
        self.begin(method, path, headers, body)
        return self.finish()

    def begin(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> None:
        """Send a request whose answer `finish` reads; raises as `ask` does."""
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

    def finish(self) -> Answer:
        """Return the answer to what was begun; raises as `ask` does."""
        with self._closing():
            if self._stream is None:
                raise UnavailableError("The connection to the cloud broke before the answer.")
            answer = self._read(self._stream)
        self._is_unread = False
        if self._machine.our_state is not h11.DONE or self._machine.their_state is not h11.DONE:
            self.close()
        return answer

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """Close the connection when something fails: what is left of it fits no other request."""
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
            addresses = self._outside.resolve(origin.host)
            if not addresses:
                raise UnavailableError(f"The name {origin.host} has no address.")
            self._guard()
            self._stream = self._outside.connect(
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
        """Return the head of a request; the parser is told of it, but writes nothing."""
        if method not in _BASE or not _PATH.fullmatch(path) or ".." in path:
            raise CloudError("The phone has no use for such a request.")
        said = {"Host": self._origin.header, **headers}
        if body is not None or method in {"POST", "PUT"}:
            said["Content-Length"] = str(len(body or b""))
        self._machine.send(
            h11.Request(method=method, target=path, headers=[("Host", self._origin.header)])
        )
        self._machine.send(h11.EndOfMessage())
        lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("ascii")

    def _read(self, stream: Stream) -> Answer:
        end = self._outside.now() + _PATIENCE
        response: h11.Response | None = None
        parts: list[bytes] = []
        size = 0
        while True:
            try:
                event = self._machine.next_event()
            except h11.ProtocolError:
                raise DeceivedError("The server's answer is not HTTP/1.1.") from None
            if event is h11.NEED_DATA:
                if self._outside.now() > end:
                    raise UnavailableError("The server's answer takes too long; try again later.")
                self._receive(stream, is_begun=response is not None)
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > LIMIT:
                    raise DeceivedError("The server's answer is longer than any that was asked.")
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage) and response is not None:
                return Answer(response.status_code, b"".join(parts), _find_retry(response))
            elif isinstance(event, h11.InformationalResponse):
                raise DeceivedError("The server answered before the end of the question.")
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
