"""The phone's side of HTTP/1.1: the exact bytes of FORMATS section 9 over a `world.Stream`.

Only this module writes requests, never a library, so that no default header can leave a phone.
"""

import re
from typing import Final, Self

from client_sim.device.answer import Answer, AnswerReader
from client_sim.device.errors import GoneError, TransportError, UnreachableError
from client_sim.world import Public, Stream, World

BLOCK: Final = 8 * 1024 * 1024
"""Bytes of a block of a package; blocks start at its multiples."""

_METADATA_SECONDS: Final = 120.0
_BLOCK_SECONDS: Final = 1_800.0
# For all metadata over one connection: 256 roots of two minutes each would take over eight hours.
_POLL_SECONDS: Final = 900.0
# The body of a 404 is read and discarded, so that the connection can be reused.
_NOT_FOUND_LIMIT: Final = 16_384
# The only bytes in paths of FORMATS section 8; checked again here, right before sending.
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")


def host_header(public: Public) -> str:
    """Return the value of `Host`: with the port unless it is the scheme's default."""
    default = 443 if public.tls else 80
    return public.host if public.port == default else f"{public.host}:{public.port}"


def encode_request(host: str, path: str) -> bytes:
    """Return the request for `path`; raises TransportError for an invalid path."""
    return _encode(host, path, "Accept-Encoding: gzip")


def encode_block_request(host: str, path: str, first: int, last: int) -> bytes:
    """Return the request for bytes `first` to `last` of `path`, both inclusive."""
    return _encode(host, path, f"Range: bytes={first}-{last}")


class Connection:
    """One poll's connection: it resolves the host and connects once, at the first request.

    `requests` lists the requested paths. Use it as a context manager, which closes it.
    """

    def __init__(self, world: World) -> None:
        self.requests: list[str] = []
        self._world = world
        self._host = host_header(world.public)
        self._stream: Stream | None = None
        self._reader: AnswerReader | None = None
        self._opened = 0.0
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection permanently; closing twice is harmless."""
        self._closed = True
        stream, self._stream = self._stream, None
        if stream is not None:
            try:
                stream.close()
            except OSError:
                # Nothing remains to be sent, so a failing close changes nothing.
                return

    def get(self, path: str, *, limit: int) -> bytes:
        """Return the decoded body of `path`, at most `limit` bytes; only status 200 is accepted."""
        return self._request(path, encode_request(self._host, path), limit).body

    def get_or_none(self, path: str, *, limit: int) -> bytes | None:
        """Return the body of `path`, or None for 404, which means that there is no next root."""
        data = encode_request(self._host, path)
        answer = self._request(path, data, max(limit, _NOT_FOUND_LIMIT), statuses=(200, 404))
        return None if answer.status == 404 else answer.body

    def get_block(self, path: str, first: int, length: int) -> bytes:
        """Return the block that starts at byte `first` of a package of `length` bytes."""
        last = min(first + BLOCK, length) - 1
        data = encode_block_request(self._host, path, first, last)
        expected = b"bytes %d-%d/%d" % (first, last, length)
        return self._request(path, data, last - first + 1, statuses=(206,), expected=expected).body

    def _request(
        self,
        path: str,
        data: bytes,
        limit: int,
        *,
        statuses: tuple[int, ...] = (200,),
        expected: bytes | None = None,
    ) -> Answer:
        """Send a request and return its answer; `expected` is the Content-Range of a block."""
        try:
            stream, reader = self._open()
            reader.expect(path, self._host)
            self.requests.append(path)
            try:
                stream.send(data)
            except OSError as error:
                raise UnreachableError(f"The connection broke while sending: {error}.") from error
            answer = reader.read(
                limit=limit,
                seconds=_BLOCK_SECONDS if expected is not None else self._find_timeout(),
                may_compress=expected is None,
            )
            _check_status(answer.status, statuses, path)
            if expected is not None:
                _check_block(answer, expected, limit)
        except BaseException:
            # Later bytes on the connection could belong to the answer that failed.
            self.close()
            raise
        return answer

    def _find_timeout(self) -> float:
        """Return the seconds that an answer may take, within the rest of the poll's time."""
        remaining = self._opened + _POLL_SECONDS - self._world.now()
        return min(_METADATA_SECONDS, remaining)

    def _open(self) -> tuple[Stream, AnswerReader]:
        if self._stream is not None and self._reader is not None:
            return self._stream, self._reader
        if self._closed:
            raise TransportError("This poll's connection is over; the next poll makes a new one.")
        public = self._world.public
        try:
            addresses = self._world.resolve(public.host)
            if not addresses:
                raise UnreachableError(f"The name {public.host} has no address.")
            self._stream = self._world.connect(
                addresses[0], public.port, public.host if public.tls else None
            )
        except OSError as error:
            raise UnreachableError(f"{public.host} cannot be reached: {error}.") from error
        self._opened = self._world.now()
        self._reader = AnswerReader(self._stream, self._world.now)
        return self._stream, self._reader


def _encode(host: str, path: str, field: str) -> bytes:
    if not _PATH.fullmatch(path) or ".." in path:
        raise TransportError("The metadata led the phone to an invalid path, so it is not used.")
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{field}\r\n\r\n".encode("ascii")


def _check_status(status: int, statuses: tuple[int, ...], path: str) -> None:
    if status in statuses:
        return
    if 300 <= status < 400:
        raise TransportError(f"The server redirects {path}, which a phone never follows.")
    kind = GoneError if status in {404, 410} else TransportError
    raise kind(f"The server answered {status} for {path}.")


def _check_block(answer: Answer, expected: bytes, length: int) -> None:
    if answer.content_range != expected:
        raise TransportError("The server answered with another byte range than the requested one.")
    if len(answer.body) != length:
        raise TransportError("The server's part of the package is cut short.")
