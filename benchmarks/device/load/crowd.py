"""Very many concurrent connections: idle ones, slow ones, or clients that pipeline.

Run as `python -m benchmarks.device.load.crowd SPEC`. It writes `ready` when all connections are
open, and its result after its standard input is closed.
"""

import select
import sys
import time
from collections.abc import Callable

from benchmarks.device.load.client import Client, look_until, make_script, open_loader
from benchmarks.device.load.spec import CrowdSpec, Kind, main
from benchmarks.device.measured import Measured, Window
from benchmarks.device.wire import ask
from client_sim.fleet.answer_tree import Node
from client_sim.fleet.answers import Head
from client_sim.fleet.lines import Line
from client_sim.fleet.loader import Loader, Wire
from client_sim.fleet.tally import Failure

TURNS = 100  # groups of connections, which send one after the other within `DRIP_SECONDS`
DRIP_SECONDS = 1.0  # between two bytes of a slow client
BATCH = 256  # connections opened between two pauses, fewer than a server's listen backlog
PAUSE_SECONDS = 0.02
WAIT_SECONDS = 10.0
SENT = 65_536  # bytes that a client that pipelines sends in one call, at most
ROOM = 1 << 20


class Idler(Client):
    """Polls once, so that the server has accepted its connection, and keeps the connection."""

    __slots__ = ("is_known",)

    def __init__(self, loader: Loader, spec: CrowdSpec) -> None:
        super().__init__(loader, spec.statuses)
        self.is_known = False

    def finish(self, *, failed: bool) -> None:
        """Stay idle; `is_known` says whether the poll succeeded."""
        self.is_known = not failed


class Dripper(Client):
    """Sends single bytes of a request that it never completes.

    It connects again if the server ends the connection; `renewed` counts this.
    """

    __slots__ = ("_data", "_sent", "renewed")
    _SILENT = Node(Line(b"", 1), 0)

    def __init__(self, loader: Loader, spec: CrowdSpec) -> None:
        super().__init__(loader, spec.statuses)
        self._data = spec.request.encode()
        self._sent = 0
        self.renewed = 0
        loader.send(self, self._SILENT)

    def drip(self) -> None:
        """Send one more byte."""
        place = self._sent % (len(self._data) - 1)
        self._sent += 1
        self.loader.send_part(self, self._data[place : place + 1])

    def finish(self, *, failed: bool) -> None:
        """Do nothing; no request is complete, so there is no answer."""

    def end_early(self, why: Failure, detail: str = "") -> None:  # noqa: ARG002 - any end is the same
        """Connect again."""
        self.loader.close(self, is_good=False)
        self._sent = 0
        self.renewed += 1
        self.loader.send(self, self._SILENT)


class Drain:
    """Receives and drops all answers to a client that pipelines, and lets it send more."""

    def __init__(self, client: "Pipeliner", node: Node) -> None:
        self.left = 1  # never reaches 0, so all answers are one body
        self.taken = 0
        self._client = client
        self._node = node
        self._buffer = bytearray(ROOM)

    def begin(self, head: Head) -> str:  # noqa: ARG002 - heads are not looked at
        """Accept any answer."""
        return ""

    def add(self, data: bytes) -> None:
        """Count the bytes."""
        self.taken += len(data)

    def receive(self, wire: Wire) -> int:
        """Receive once, and send more requests if all earlier ones are sent."""
        count = wire.recv_into(self._buffer)
        self.taken += count
        if count and not self._client.unsent:
            self._client.loader.send(self._client, self._node)
        return count


class Pipeliner(Client):
    """Sends as many requests as the server reads, and receives every answer."""

    __slots__ = ("drain",)

    def __init__(self, loader: Loader, spec: CrowdSpec) -> None:
        super().__init__(loader, spec.statuses)
        data = spec.request.encode()
        node = Node(Line(data * (SENT // len(data)), 1))
        self.drain = Drain(self, node)
        self.body, self.in_body = self.drain, True
        loader.send(self, node)

    def finish(self, *, failed: bool) -> None:
        """Do nothing; there is no last answer."""


def run(spec: CrowdSpec) -> Measured:
    """Keep the connections open until standard input is closed."""
    with open_loader(spec, limit=spec.connections) as loader:
        match spec.kind:
            case Kind.IDLE:
                return _be_idle(loader, spec)
            case Kind.SLOW:
                return _be_slow(loader, spec)
            case Kind.PIPELINING:
                return _pipeline(loader, spec)


def _be_idle(loader: Loader, spec: CrowdSpec) -> Measured:
    script = make_script([spec.request])
    idlers = [Idler(loader, spec) for _ in range(spec.connections)]
    for number, idler in enumerate(idlers, 1):
        loader.send(idler, script)
        _pause(loader, number)
    look_until(loader, lambda: all(each.is_known for each in idlers), WAIT_SECONDS)
    if not all(each.is_known for each in idlers):
        raise ConnectionError("the server did not answer all idle connections")
    return _wait(spec, lambda _turn: None, None).close(spec.connections)


def _be_slow(loader: Loader, spec: CrowdSpec) -> Measured:
    drippers = []
    for number in range(1, spec.connections + 1):
        drippers.append(Dripper(loader, spec))
        _pause(loader, number)

    def drip(turn: int) -> None:
        for dripper in drippers[turn % TURNS :: TURNS]:
            dripper.drip()
        loader.process(0)

    window = _wait(spec, drip, DRIP_SECONDS / TURNS)
    return window.close(
        spec.connections, extra={"renewed": float(sum(each.renewed for each in drippers))}
    )


def _pipeline(loader: Loader, spec: CrowdSpec) -> Measured:
    size = ask(spec.port, spec.request.encode()).size
    clients = [Pipeliner(loader, spec) for _ in range(spec.connections)]
    window = _wait(spec, lambda _turn: loader.process(0.001), 0.0)
    return window.close(sum(each.drain.taken for each in clients) // size)


def _pause(loader: Loader, number: int) -> None:
    if number % BATCH == 0:
        look_until(loader, lambda: False, PAUSE_SECONDS)


def _wait(spec: CrowdSpec, act: Callable[[int], None], pause: float | None) -> Window:
    """Write `ready` and wait until standard input is closed; call `act` every `pause` seconds."""
    window = Window(spec.watch, spec.known)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    due, turn = time.perf_counter(), 0
    while not select.select([sys.stdin], [], [], None if pause is None else _rest(due))[0]:
        if pause is not None:
            act(turn)
            due, turn = due + pause, turn + 1
    return window


def _rest(due: float) -> float:
    return max(0.0, due - time.perf_counter())


if __name__ == "__main__":
    main(CrowdSpec, run)
