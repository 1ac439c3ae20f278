"""A closed loop that never sleeps: each client sends its next request after each answer.

Run as `python -m benchmarks.device.load.closed SPEC`. If a client sleeps, every send of the server
wakes another core, which costs the fastest servers most; and wrk is slower than the fast path. So
this load polls in a busy loop. Over kept connections a client always has one packet of requests
under way; otherwise it polls as a phone does, over a new connection that it closes.
"""

import time
from collections.abc import Sequence

from benchmarks.device.load.client import Client, make_script, open_loader
from benchmarks.device.load.spec import ClosedSpec, main
from benchmarks.device.measured import Measured, Window
from client_sim.fleet.answer_tree import Node
from client_sim.fleet.loader import Loader


class Asker(Client):
    """A client that repeats its script, and counts the repetitions in `done` and `failed`."""

    __slots__ = ("_first", "_keep", "done", "failed")

    def __init__(self, loader: Loader, spec: ClosedSpec, first: Node) -> None:
        super().__init__(loader, spec.statuses)
        self._first = first
        self._keep = spec.keep
        self.done = self.failed = 0

    def finish(self, *, failed: bool) -> None:
        """Count the script and repeat it, over the same connection or a new one."""
        self.done += 1
        self.failed += failed
        if not self._keep:
            self.loader.close(self, is_good=False)
        self.loader.send(self, self._first)


def run(spec: ClosedSpec) -> Measured:
    """Send requests for `spec.seconds`, after a warm-up that is not counted."""
    with open_loader(spec, limit=spec.connections) as loader:
        return _run(loader, spec)


def _run(loader: Loader, spec: ClosedSpec) -> Measured:
    scripts = (
        [make_script([text], spec.batch) for text in spec.requests]
        if spec.keep
        else [make_script(spec.requests)]
    )
    clients = [
        Asker(loader, spec, scripts[number % len(scripts)]) for number in range(spec.connections)
    ]
    for number, client in enumerate(clients):
        loader.send(client, scripts[number % len(scripts)])
    _spin(loader, spec.warm_up)
    before = _count(clients)
    window = Window(spec.watch, spec.known)
    _spin(loader, spec.seconds)
    while _count(clients) == before:  # no answer yet: the time was short, or the machine is busy
        _spin(loader, spec.seconds)
    done, failed = (now - then for now, then in zip(_count(clients), before, strict=True))
    return window.close(done * spec.batch, failed)


def _spin(loader: Loader, seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        loader.process(0)


def _count(clients: Sequence[Asker]) -> tuple[int, int]:
    return sum(each.done for each in clients), sum(each.failed for each in clients)


if __name__ == "__main__":
    main(ClosedSpec, run)
