"""The device plane on a real socket, in a thread with its own loop, and a minimal client."""

import asyncio
import contextlib
import hashlib
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from prometheus_client import CollectorRegistry, generate_latest

from server.device.answer import Served as Answers
from server.device.answer import make_served
from server.device.plane import DevicePlane
from server.device.snapshot import EMPTY, Snapshot, load_snapshot
from server.http.answers import Package
from server.http.counts import Counts, CountsCollector
from server.http.listener import listening
from server.http.requests import GateMode
from server.http.turns import LIMITS
from server.storage.local_blobs import LocalBlobs
from tests.patience import PATIENCE

HOST = b"updates.example"
TIMESTAMP = "/metadata/timestamp.json"
URL = f"/targets/armani/id/stable/{'ab' * 32}.armani-1.zip"
BYTES = b"".join(n.to_bytes(4) for n in range(150_000))
LONG = 64 * 1024 * 1024  # more than the kernel buffers for a client that does not read


@dataclass
class Response:
    """A response, parsed from its bytes."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    head: bytes

    def __getitem__(self, name):
        """Return the only header of this name, or None."""
        values = [value for header, value in self.headers if header == name]
        assert len(values) <= 1, name
        return values[0] if values else None


@dataclass
class Served:
    """The plane's address (a port or a Unix socket), its metrics and its connections."""

    port: int
    registry: CollectorRegistry
    plane: DevicePlane
    unix: Path | None = None
    errors: list = field(default_factory=list)
    now: float | None = None
    """The time of the limits' clock in seconds; None if it is the real one."""

    def connect(self):
        """Open a connection."""
        if self.unix is None:
            return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        connection.connect(str(self.unix))
        return connection

    def ask(self, data):
        """Send bytes over a new connection and return the first response."""
        with self.connect() as connection:
            connection.sendall(data)
            return read_response(connection, is_head=data.startswith(b"HEAD "))

    def exchange(self, data):
        """Send bytes and read until the server closes; return all bytes received."""
        with self.connect() as connection:
            connection.sendall(data)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := connection.recv(65536):
                    answer += piece
            return answer

    def get(self, path, *lines, method="GET"):
        """Request a path with header lines."""
        return self.ask(request(path, *lines, method=method))

    def drain(self, seconds):
        """Begin to drain; return when the sockets are closed and each connection knows."""
        asyncio.run_coroutine_threadsafe(self.listener.drain(seconds), self.loop)
        while not self._in_loop(lambda: self.listener._registry.is_draining):
            pass

    def stop_clock(self):
        """Stop the clock of the limits, which then only `advance` moves."""
        self.now = self._in_loop(self.loop.time)

    def advance(self, seconds):
        """Advance the clock of the limits and check the limits."""
        self.now += seconds
        self._in_loop(self.listener._registry.tick)

    def _in_loop(self, work):
        async def run():  # noqa: RUF029 - it has to be in the loop's thread
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(PATIENCE)

    def metrics(self):
        """Return the exposition of all metrics."""
        return generate_latest(self.registry).decode()


def request(path, *lines, method="GET", host=HOST):
    """Return the bytes of a request."""
    head = [f"{method} {path} HTTP/1.1".encode(), b"Host: " + host, *lines]
    return b"\r\n".join([*head, b"", b""])


#: The fast path leaves this request, and all others on its connection, to aiohttp: it requires a
#: space after the colon. test_heads.py checks that.
FALLEN_BACK = request(TIMESTAMP).replace(b"Host: ", b"Host:")


def read_response(connection, *, is_head=False):
    """Read exactly one response."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, head
        head += byte
    first, *lines = head.decode("ascii").removesuffix("\r\n\r\n").split("\r\n")
    version, status, _ = first.split(" ", 2)
    assert version == "HTTP/1.1"
    headers = [tuple(line.split(": ", 1)) for line in lines]
    missing = int(dict(headers).get("Content-Length", "0"))
    pieces = []
    while missing and not is_head and status != "304":
        pieces.append(connection.recv(min(missing, 1 << 18)))
        assert pieces[-1]
        missing -= len(pieces[-1])
    return Response(int(status), headers, b"".join(pieces), head)


def serve(folder, mode=GateMode.DIRECT, blobs=None, limits=LIMITS, hosts=(HOST,)):
    """Serve a state folder's public tree during the block."""
    blobs = blobs or LocalBlobs(folder.blobs)
    snapshot = load_snapshot(folder.public, blobs, EMPTY)
    return serve_snapshot(snapshot, blobs, mode, limits, hosts)


@contextlib.contextmanager
def serve_snapshot(
    snapshot,
    blobs,
    mode=GateMode.DIRECT,
    limits=LIMITS,
    hosts=(HOST,),
    run=uvloop.run,
    tls=None,
    unix=None,
):
    """Serve a snapshot during the block, on the loop that `run` makes.

    It is served at a port, or at the Unix socket `unix`.
    """
    plane = DevicePlane(blobs, Counts(), mode, time.time, limits)
    plane.served = make_served(snapshot, hosts, mode, Answers())
    with serve_plane(plane, run, tls, unix) as served:
        served.registry.register(CountsCollector(plane.counts))
        yield served


@contextlib.contextmanager
def serve_plane(plane, run=uvloop.run, tls=None, unix=None):
    """Serve a plane in a thread during the block, and check that nothing failed on its loop."""
    served = Served(0, CollectorRegistry(), plane, unix)
    ready, stop = threading.Event(), None

    async def main():
        nonlocal stop
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        loop.set_exception_handler(lambda _loop, context: served.errors.append(context))
        served.loop = loop
        with listen(unix) as listening_socket:
            served.port = 0 if unix else listening_socket.getsockname()[1]

            def now():
                return loop.time() if served.now is None else served.now

            async with listening(plane, [listening_socket], tls=tls, monotonic=now) as listener:
                served.listener = listener
                ready.set()
                await stop.wait()

    thread = threading.Thread(target=lambda: run(main()))
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        yield served
    finally:
        served.loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE)
    assert served.errors == [], served.errors


def listen(unix):
    """Return a socket that listens at a path, or at a free port."""
    if unix is None:
        return socket.create_server(("127.0.0.1", 0))
    listening_socket = socket.socket(socket.AF_UNIX)
    listening_socket.bind(str(unix))
    listening_socket.listen()
    return listening_socket


def put(folder, data):
    """Write a blob into a folder as a store does; return its path."""
    sha256 = hashlib.sha256(data).hexdigest()
    path = folder / sha256[:2] / sha256
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def package_snapshot(sha256, length):
    """Return a snapshot with one package at `URL`."""
    return Snapshot(1, {}, {URL: Package(sha256, length)}, frozenset(), {})


def serve_bytes(folder, data, **kwargs):
    """Serve data as a package from a folder."""
    path = put(folder, data)
    if not data:
        path.unlink()  # no store has the empty file
    return serve_snapshot(package_snapshot(path.name, len(data)), LocalBlobs(folder), **kwargs)


def put_long(folder):
    """Write a long sparse blob of zeros, whose name is not its hash; return its path."""
    path = folder / "cd" / ("cd" * 32)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(LONG)
    return path


def serve_long(folder, **kwargs):
    """Serve the long blob as a package."""
    path = put_long(folder)
    return serve_snapshot(package_snapshot(path.name, LONG), LocalBlobs(folder), **kwargs)


def descriptors():
    """Return the number of open descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))
