"""A relay between cache and origin that records requests and shortens a minute to a second."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

MINUTE, SECOND = b"public, max-age=60\r\n", b"public, max-age=01\r\n"
DAY = b"public, max-age=86400\r\n"


@dataclass
class Relay:
    """The relay's address, the requests, and the statuses of the origin's answers."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    statuses: list[bytes] = field(default_factory=list)
    asked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    is_away: bool = False
    life: bytes = SECOND
    """Replacement for a lifetime of one minute in `Cache-Control`."""
    _open: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Hold all requests until the block ends."""
        self._open.clear()
        try:
            yield
        finally:
            self.go_on()

    def go_on(self) -> None:
        """Forward the held requests."""
        self._open.set()

    def forget(self) -> None:
        """Forget the requests recorded so far."""
        self.requests.clear()
        self.statuses.clear()
        while self.asked.acquire(blocking=False):
            pass


@contextlib.contextmanager
def run_relay(upstream: int) -> Iterator[Relay]:
    """Run a relay in front of a port until the block ends."""
    relay = Relay()
    relay._open.set()
    with socket.create_server(("127.0.0.1", 0), backlog=256) as server:
        relay.port = server.getsockname()[1]
        threading.Thread(target=_accept, args=(relay, server, upstream), daemon=True).start()
        yield relay
        server.shutdown(socket.SHUT_RDWR)


def _accept(relay: Relay, server: socket.socket, upstream: int) -> None:
    with contextlib.suppress(OSError):  # the server is closed
        while True:
            client, _ = server.accept()
            threading.Thread(target=_serve, args=(relay, client, upstream), daemon=True).start()


def _serve(relay: Relay, client: socket.socket, upstream: int) -> None:
    """Forward the requests of a connection one after the other."""
    with (
        client,
        socket.create_connection(("127.0.0.1", upstream)) as origin,
        contextlib.suppress(ConnectionError),
        client.makefile("rb") as asking,
        origin.makefile("rb") as answering,
    ):
        while request := _read_head(asking):
            relay.requests.append(request)
            relay.asked.release()
            relay._open.wait()
            if relay.is_away:
                return
            origin.sendall(request)
            head = _read_head(answering)
            relay.statuses.append(head.split(b" ", 2)[1])
            client.sendall(head.replace(MINUTE, relay.life))
            left = 0 if request.startswith(b"HEAD") else _length(head)
            while left:
                piece = answering.read(min(left, 65536))
                client.sendall(piece)
                left -= len(piece)


def _read_head(file) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = file.readline()
        if not line:
            return b""
        head += line
    return head


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b": ")
        if name == b"Content-Length":
            return int(value)
    return 0
