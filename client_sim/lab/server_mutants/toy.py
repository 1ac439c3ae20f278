"""A small honest server of a fixed tree, with hooks for leaks.

It refuses unknown requests, answers all clients alike, and keeps only counters in memory.
"""

import gzip
import hashlib
import json
import socket
import socketserver
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Final

from client_sim.clock import read_clock

_SIGNED: Final = {"signed": {"_type": "timestamp", "meta": {"snapshot.json": {"version": 1}}}}
TREE: Final = MappingProxyType(
    {
        "/metadata/timestamp.json": json.dumps(_SIGNED).encode(),
        "/metadata/1.snapshot.json": b'{"signed":{"_type":"snapshot","meta":{}}}',
        "/metadata/1.root.json": b'{"signed":{"_type":"root"}}',
    }
)
"""The files of the server, by path."""

_LIMIT: Final = 65536

Line = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """One received request: `rest` are the bytes after its head, `status` is the answer's."""

    data: bytes
    peer: tuple[str, int]
    method: str
    target: str
    lines: tuple[Line, ...]
    rest: bytes
    status: int

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The part after the question mark."""
        return self.target.partition("?")[2]

    def header(self, name: str) -> str:
        """Return a header's value, or an empty text; `name` is in lower case."""
        return next((value for key, value in self.lines if key.lower() == name), "")


@dataclass(slots=True)
class ToyServer:
    """The honest server, whose hooks mutants override; it may write into `folder`."""

    folder: Path
    node: int = 0
    counts: Counter[int] = field(default_factory=Counter)

    def start(self) -> None:
        """Start; also called after a restart."""

    def on_server_name(self, name: str) -> None:
        """Receive the server name of a TLS handshake."""

    def on_request(self, request: Request) -> None:
        """Receive each request after it was answered."""

    def on_incomplete(self, data: bytes, peer: tuple[str, int]) -> None:
        """Receive the bytes of an incomplete request on a connection that ended."""

    def body(self, request: Request, body: bytes) -> bytes:
        """Return the body of an answer."""
        del request
        return body

    def status(self, request: Request) -> int:
        """Return the status of an answer."""
        return request.status

    def lines(self, request: Request, lines: list[Line]) -> list[Line]:
        """Return the header lines of an answer."""
        del request
        return lines

    def compress(self, body: bytes) -> bytes:
        """Compress a body."""
        return gzip.compress(body, mtime=0)

    def metrics(self) -> str:
        """Return the page of metrics."""
        return "".join(
            f'toy_answers_total{{status="{status}"}} {self.counts[status]}\n'
            for status in (200, 206, 304, 400, 404, 405)
        )

    def end(self) -> None:
        """End; also called before a restart."""

    def answer(self, data: bytes, peer: tuple[str, int], rest: bytes) -> tuple[bytes, bool]:
        """Answer one head; return the bytes, and whether the connection stays open."""
        request = _decode_request(data, peer, rest)
        status = self.status(request)
        if request.path == "/metrics":
            body = self.metrics().encode()
        else:
            self.counts[status] += 1
            body = self.body(request, _body(request, status))
        coded = status == 200 and request.header("accept-encoding") == "gzip"
        if coded:
            body = self.compress(body)
        lines = [
            ("Date", time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(read_clock()))),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("ETag", f'"{hashlib.sha256(body).hexdigest()}"'),
            ("Cache-Control", "public, max-age=60"),
            *([("Content-Encoding", "gzip")] if coded else []),
            *([("Connection", "close")] if status == 400 else []),
        ]
        lines = self.lines(request, lines)
        first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"
        head = "\r\n".join([first, *(f"{name}: {value}" for name, value in lines), "", ""])
        if request.path != "/metrics":
            self.on_request(request)
        sent = head.encode("latin-1") + (b"" if request.method == "HEAD" else body)
        return sent, status != 400


def _decode_request(data: bytes, peer: tuple[str, int], rest: bytes) -> Request:
    first, *others = data.decode("latin-1").split("\r\n")
    words = first.split(" ")
    method, target = words[0], words[1] if len(words) > 1 else ""
    parts = [line.partition(":") for line in others if line]
    lines = tuple((name, value.strip()) for name, _, value in parts)
    status = 200
    if target not in TREE and target != "/metrics":
        status = 404
    if (
        words[2:] not in (["HTTP/1.1"], ["HTTP/1.0"])
        or "?" in target
        or not target.startswith("/")
        or any(not colon or not name or name[-1] == " " for name, colon, _ in parts)
        or any(ord(letter) not in range(32, 127) for letter in target)
        or any(name.lower() in _REFUSED for name, _ in lines)
    ):
        status = 400
    elif method not in {"GET", "HEAD"}:
        status = 405
    return Request(data, peer, method, target, lines, rest, status)


_REFUSED: Final = frozenset({"content-length", "transfer-encoding", "cookie", "upgrade", "expect"})


def _body(request: Request, status: int) -> bytes:
    return TREE[request.path] if status == 200 else b'{"title":"%d"}' % status


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128
    toy: ToyServer
    context: ssl.SSLContext | None = None

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore the error, because a client may close the connection at any time."""


class _Handler(socketserver.BaseRequestHandler):
    server: _Listener
    request: socket.socket

    def handle(self) -> None:
        if self.server.context is None:
            self._converse()
            return
        try:
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        except OSError:
            return  # the client aborted the handshake
        with self.request:  # the listener does not close the wrapped socket
            self._converse()

    def _converse(self) -> None:
        toy, waiting = self.server.toy, b""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while True:
                head, blank, rest = waiting.partition(b"\r\n\r\n")
                if blank or len(waiting) > _LIMIT:
                    sent, keeps_open = toy.answer(head, self.client_address, rest)
                    self.request.sendall(sent)
                    if not keeps_open:
                        return
                    waiting = rest
                    continue
                piece = self.request.recv(65536)
                if not piece:
                    break
                waiting += piece
        except (ConnectionError, ssl.SSLError):
            pass
        if waiting:
            toy.on_incomplete(waiting, self.client_address)


class Running:
    """A server that runs on loopback until `close`, with TLS if there is a `context`."""

    def __init__(
        self,
        make: Callable[[Path, int], ToyServer],
        folder: Path,
        node: int,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._make, self._folder, self._node, self._context = make, folder, node, context
        self.port = 0
        self._begin()

    def _begin(self) -> None:
        self._toy = self._make(self._folder, self._node)
        self._toy.start()
        self._listener = _Listener(("127.0.0.1", self.port), _Handler)
        self._listener.toy = self._toy
        self._listener.context = self._context
        if self._context is not None:
            self._context.sni_callback = self._pass_server_name
        self.port = self._listener.server_address[1]
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.005,))
        self._thread.start()

    def _pass_server_name(self, _wire: object, name: str | None, _context: object) -> None:
        self._toy.on_server_name(name or "")

    def close(self) -> None:
        """End the server."""
        self._listener.shutdown()
        self._thread.join()
        self._listener.server_close()
        self._toy.end()

    def restart(self) -> None:
        """End the server and start it again at the same port."""
        self.close()
        self._begin()
