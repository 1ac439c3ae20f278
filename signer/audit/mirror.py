"""Sources of an audit: a folder, or a mirror that is asked over HTTP(S) as phones ask it."""

import socket
import ssl
import stat
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import h11

from signer.audit.findings import AnswerError, MirrorUnavailableError
from signer.remote.connection import decode_url, open_socket


class Mirror(Protocol):
    """A copy of the public tree."""

    def fetch(self, path: str, limit: int) -> bytes | None:
        """Return the bytes at `path`, which starts with a slash; None if there is no such file.

        Raises AnswerError for more than `limit` bytes, MirrorUnavailableError without an answer.
        """


class FolderMirror:
    """A public tree on disk: a server's `public` folder, or a copy of one."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise MirrorUnavailableError(
                f"The mirror {folder} does not exist; give a public folder."
            )
        self._folder = folder

    def fetch(self, path: str, limit: int) -> bytes | None:
        """Return the bytes of a file below the folder."""
        file = self._folder / path.removeprefix("/")
        try:
            # Opening a pipe would block until a process writes into it.
            if not stat.S_ISREG(file.stat().st_mode):
                return None
            with file.open("rb") as opened:
                data = opened.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if len(data) > limit:
            raise AnswerError(f"{path} is longer than the {limit} bytes that it may have.")
        return data


HEAD_LIMIT = 16_384
ANSWER_SECONDS = 120.0  # for one file: 5 MB at the speed of a poor telephone line
_SILENCE_SECONDS = 30.0
_RECEIVE = 65_536
# Bytes that framing (chunk sizes, gzip's own bytes) may add to a body.
_OVERHEAD = 65_536
_ENDED = "it ended the connection without a whole answer"


class HttpMirror:
    """The device plane of a server, or a copy of it on any web server."""

    def __init__(
        self, url: str, clock: Callable[[], float], *, seconds: float = ANSWER_SECONDS
    ) -> None:
        """Use the mirror at `url`: a scheme, a host and optionally a port; `clock` counts seconds.

        Raises SignerError for any other URL. Nothing is sent before the first `fetch`.
        """
        self._address = decode_url(url, "mirror")
        self._clock = clock
        self._seconds = seconds
        self._socket: socket.socket | None = None
        self._machine = h11.Connection(h11.CLIENT)

    def fetch(self, path: str, limit: int) -> bytes | None:
        """Return the decoded body of `path`; None for 404 and 410."""
        try:
            if self._socket is not None:
                # A server may close an idle connection at any time; the second try is on a new one.
                with suppress(ConnectionError):
                    return self._ask(path, limit)
            return self._ask(path, limit)
        except h11.ProtocolError as error:
            raise self._unavailable("does not speak HTTP/1.1") from error
        except OSError as error:
            raise self._unavailable(f"cannot be reached: {error}") from error

    def close(self) -> None:
        """Close the connection; the next `fetch` opens another."""
        opened, self._socket = self._socket, None
        if opened is not None:
            opened.close()

    def _ask(self, path: str, limit: int) -> bytes | None:
        try:
            return self._exchange(path, limit, self._clock() + self._seconds)
        except BaseException:
            # After an error, later bytes of the connection could be taken for another answer.
            self.close()
            raise

    def _exchange(self, path: str, limit: int, deadline: float) -> bytes | None:
        opened = self._socket or self._connect()
        machine = self._machine
        headers = [("Host", self._address.authority), ("Accept-Encoding", "gzip")]
        question = machine.send(h11.Request(method="GET", target=path, headers=headers))
        opened.sendall(question or b"")
        machine.send(h11.EndOfMessage())
        response = self._next(opened, deadline)
        if not isinstance(response, h11.Response):
            raise ConnectionResetError(_ENDED)
        is_there = self._check_status(response, path)
        body = _Body(limit if is_there else HEAD_LIMIT, path, encoded=_is_gzip(response))
        budget = limit + _OVERHEAD
        while not isinstance(event := self._next(opened, deadline), h11.EndOfMessage):
            assert isinstance(event, h11.Data)  # h11 yields nothing else between head and end
            budget -= len(event.data)
            if budget < 0:
                raise AnswerError(f"{path} is longer than the {limit} bytes that it may have.")
            body.feed(bytes(event.data))
        data = body.finish()
        if machine.our_state is h11.DONE and machine.their_state is h11.DONE:
            machine.start_next_cycle()
        else:
            self.close()
        return data if is_there else None

    def _connect(self) -> socket.socket:
        context = ssl.create_default_context() if self._address.is_tls else None
        seconds = min(self._seconds, _SILENCE_SECONDS)
        self._socket = opened = open_socket(self._address, context, seconds)
        self._machine = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
        return opened

    def _next(self, opened: socket.socket, deadline: float) -> object:
        """Return the parser's next event, once enough was received for one."""
        while (event := self._machine.next_event()) is h11.NEED_DATA:
            remaining = deadline - self._clock()
            if remaining <= 0:
                raise TimeoutError("it takes too long to answer")
            opened.settimeout(min(remaining, _SILENCE_SECONDS))
            data = opened.recv(_RECEIVE)
            if not data:  # a complete answer never ends here: one without a length may be truncated
                raise ConnectionResetError(_ENDED)
            self._machine.receive_data(data)
        return event

    def _check_status(self, response: h11.Response, path: str) -> bool:
        """Return whether the file exists; any other status is refused."""
        status = response.status_code
        if 300 <= status < 400:
            raise self._unavailable(f"redirects {path}, which an audit does not follow")
        if status not in {200, 404, 410}:
            raise self._unavailable(f"answers {status} for {path}")
        return status == 200

    def _unavailable(self, fault: str) -> MirrorUnavailableError:
        name = self._address.authority
        return MirrorUnavailableError(f"The mirror {name} {fault}; try again later.")


class _Body:
    """Collects a body and decodes gzip incrementally, so that a zip bomb stops at the limit."""

    def __init__(self, limit: int, path: str, *, encoded: bool) -> None:
        self._limit = limit
        self._path = path
        self._data = bytearray()
        self._inflate = zlib.decompressobj(wbits=31) if encoded else None

    def feed(self, data: bytes) -> None:
        if self._inflate is not None:
            try:
                # One byte more than allowed is enough to detect a longer body.
                data = self._inflate.decompress(data, self._limit + 1 - len(self._data))
            except zlib.error as error:
                raise AnswerError(f"{self._path} is damaged gzip.") from error
            if self._inflate.unused_data:
                raise AnswerError(f"{self._path} has bytes after its gzip data.")
        self._data += data
        if len(self._data) > self._limit:
            raise AnswerError(
                f"{self._path} is longer than the {self._limit} bytes that it may have."
            )

    def finish(self) -> bytes:
        if self._inflate is not None and not self._inflate.eof:
            raise AnswerError(f"{self._path} is gzip that is cut short.")
        return bytes(self._data)


def _is_gzip(response: h11.Response) -> bool:
    codings = [value for name, value in response.headers if name == b"content-encoding"]
    if codings not in ([], [b"gzip"]):
        raise AnswerError("The mirror uses a content coding that was not requested.")
    return bool(codings)
