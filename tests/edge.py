"""The shipped nginx edge, a device plane, and a relay between them that sees each request.

A client speaks raw bytes over TLS, so that a test sees the exact bytes of nginx's answers.
"""

import contextlib
import random
import re
import select
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from server.device.snapshot import EMPTY, load_snapshot
from server.storage.local_blobs import LocalBlobs
from tests.nginx import run_edge
from tests.patience import PATIENCE
from tests.recording_relay import Relay, run_relay
from tests.server.device.served import Response, read_response, request
from tests.server.release.certificate import write_certificate

#: Every request that the origin may receive, whatever clients send to the edge.
CLEAN = re.compile(
    rb"GET /[a-z0-9/._-]+ HTTP/1\.1\r\nHost: updates\.example\.org\r\n"
    rb"(?:Accept-Encoding: gzip\r\n|Range: bytes=[0-9]+-[0-9]+\r\n)?"
    rb"(?:If-None-Match: \"sha256-[0-9a-f]{64}\"\r\n)?\r\n"
)
BLOCK = 8 * 1024 * 1024
#: A package of three blocks.
BIG = random.Random(4711).randbytes(2 * BLOCK + 4711)
#: Headers that nginx writes itself and that are the same for all clients.
OWN = {"Date", "Server", "Connection"}
NOTHING = ("Content-Length", "0")  # may be left out of an answer to HEAD


@dataclass
class Edge:
    """The port of nginx, its folder, and the relay to its origin."""

    port: int
    folder: Path
    relay: Relay
    context: ssl.SSLContext

    def connect(self, name: str = "127.0.0.1") -> ssl.SSLSocket:
        """Open a connection."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        return self.context.wrap_socket(plain, server_hostname=name)

    def get(self, path: str, *lines: bytes, method: str = "GET") -> Response:
        """Request a path with these header lines."""
        with self.connect() as connection:
            connection.sendall(request(path, *lines, method=method))
            return read_response(connection, is_head=method == "HEAD")

    def exchange(self, data: bytes, name: str = "127.0.0.1") -> bytes:
        """Send bytes and return everything that nginx sends until it closes."""
        with self.connect(name) as connection:
            connection.sendall(data)
            pieces = []
            with contextlib.suppress(ConnectionResetError):
                while piece := connection.recv(65536):
                    pieces.append(piece)
            return b"".join(pieces)

    def until_asked(self, data: bytes) -> ssl.SSLSocket:
        """Repeat a request until one reaches the relay; returns that connection."""
        while True:
            connection = self.connect()
            connection.sendall(data)
            while not select.select([connection], [], [], 0.01)[0]:
                if self.relay.asked.acquire(blocking=False):
                    return connection
            read_response(connection)
            connection.close()

    def kept(self) -> Iterator[tuple[Path, bytes]]:
        """Yield name and content of each file in nginx's folder except its configuration."""
        for path in self.folder.rglob("*"):
            if path.is_file() and path.suffix != ".conf":
                yield path, path.read_bytes()


@contextlib.contextmanager
def run_edge_before(origin: int, folder: Path) -> Iterator[Edge]:
    """Run nginx and relay in front of a device plane's port until the block ends."""
    folder.mkdir(exist_ok=True)
    certificate, key, _ = write_certificate(folder)
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    with (
        run_relay(origin) as relay,
        run_edge(relay.port, certificate, key, folder / "nginx") as port,
    ):
        yield Edge(port, folder / "nginx", relay, context)


def snapshot_of(world):
    """Return the answers of a state's snapshot by path."""
    return load_snapshot(world.folder.public, LocalBlobs(world.folder.blobs), EMPTY)


def package_of(world, data=BIG):
    """Return the path of the package with these bytes."""
    packages = snapshot_of(world).packages
    return next(path for path, package in packages.items() if package.length == len(data))


def said(response):
    """Return status, body and headers, without the headers that nginx writes itself."""
    headers = {
        name: value
        for name, value in response.headers
        if name not in OWN and (name, value) != NOTHING
    }
    headers["Cache-Control"] = headers["Cache-Control"].replace("max-age=01", "max-age=60")
    return response.status, headers, response.body
