"""Downloads at the full speed of the server; the kernel drops the bytes, and they are counted.

Run as `python -m benchmarks.device.load.pull SPEC`. Copying the bytes would make this client the
bottleneck; `MSG_TRUNC` avoids it (tcp(7)). Over TLS the client must decrypt all bytes, and often is
the bottleneck.
"""

import itertools
import socket
import ssl
import time
from collections.abc import Iterator

from benchmarks.device.load.client import Client, open_loader
from benchmarks.device.load.spec import PullSpec, main
from benchmarks.device.measured import Measured, Window
from benchmarks.device.wire import phone_request, range_request
from client_sim.fleet.answer_tree import Node
from client_sim.fleet.answers import Head
from client_sim.fleet.lines import Line
from client_sim.fleet.loader import Loader, Wire

TAKEN = 1 << 20


class Piece:
    """Drops and counts the bytes of a piece of the package."""

    def __init__(self) -> None:
        self.left = self.taken = 0
        self._buffer = bytearray(TAKEN)

    def begin(self, head: Head) -> str:
        """Return an empty text for status 200 or 206, else the status as the reason."""
        self.left = head.length
        return "" if head.status in {200, 206} else f"status {head.status}"

    def add(self, data: bytes) -> None:
        """Count the bytes."""
        self.left -= len(data)
        self.taken += len(data)

    def receive(self, wire: Wire) -> int:
        """Drop and count received bytes."""
        flags = 0 if isinstance(wire, ssl.SSLSocket) else socket.MSG_TRUNC
        count = wire.recv_into(self._buffer, min(TAKEN, self.left), flags)
        self.left -= count
        self.taken += count
        return count


class Puller(Client):
    """A client that downloads pieces one after the other."""

    __slots__ = ("_nodes", "piece")

    def __init__(self, loader: Loader, spec: PullSpec, nodes: Iterator[Node]) -> None:
        super().__init__(loader, spec.statuses)
        self._nodes = nodes
        self.piece = Piece()

    def finish_body(self) -> None:
        """Request the next piece."""
        self.finish(failed=False)

    def finish(self, *, failed: bool) -> None:  # noqa: ARG002 - a refused piece ends the load
        """Request the next piece."""
        self.body = self.piece
        self.loader.send(self, next(self._nodes))


def run(spec: PullSpec) -> Measured:
    """Download for `spec.seconds`, after a warm-up that is not counted."""
    with open_loader(spec, limit=spec.connections) as loader:
        return _run(loader, spec)


def _run(loader: Loader, spec: PullSpec) -> Measured:
    requests = (
        [
            range_request(spec.port, spec.path, first, spec.piece, *spec.lines)
            for first in range(0, spec.length - spec.piece + 1, spec.piece)
        ]
        if spec.piece
        else [phone_request(spec.port, spec.path)]
    )
    nodes = itertools.cycle([Node(Line(data, 1)) for data in requests])
    pullers = [Puller(loader, spec, nodes) for _ in range(spec.connections)]
    for puller in pullers:
        puller.finish_body()
    _pull(loader, spec.warm_up)
    before = sum(each.piece.taken for each in pullers)
    window = Window(spec.watch, spec.known)
    _pull(loader, spec.seconds)
    return window.close(sum(each.piece.taken for each in pullers) - before)


def _pull(loader: Loader, seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        loader.process(0)


if __name__ == "__main__":
    main(PullSpec, run)
