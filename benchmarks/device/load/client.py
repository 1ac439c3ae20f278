"""The clients of the loads: each sends a script of requests in turn with the fleet's loader."""

import contextlib
import math
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.device.load.spec import Spec
from benchmarks.device.wire import HOST
from client_sim.fleet.answer_tree import Edge, End, Node, Place
from client_sim.fleet.answers import Answer
from client_sim.fleet.lines import Line
from client_sim.fleet.loader import Dialler, Exchange, Loader
from client_sim.fleet.tally import Failure
from client_sim.fleet.target import Target


class Traffic:
    """Counts opened connections and received bytes."""

    connections = 0
    received = 0


@contextlib.contextmanager
def open_loader(spec: Spec, *, limit: int, keep: bool = False) -> Iterator[Loader]:
    """Yield a loader for the server of a spec, without a timeout of answers."""
    authority = Path(spec.authority).read_text() if spec.authority else None
    target = Target(HOST, spec.port, HOST, authority is not None, root=b"", authority=authority)
    loader = Loader(Dialler(target), Traffic(), limit=limit, keep=keep, timeout=math.inf)
    try:
        yield loader
    finally:
        loader.close_all()


def make_script(requests: Sequence[str], batch: int = 1) -> Node:
    """Return the node of the first request, linked to the others; each is sent `batch` times.

    Every answer leads to the next request.
    """
    place: Place = End(None)
    for text in reversed(requests):
        node = Node(Line(text.encode() * batch, 1), batch)
        node.last_edge = Edge(0, place)
        place = node
    if not isinstance(place, Node):
        raise TypeError("a script without requests")
    return place


class Client(Exchange):
    """A client that sends the requests of a script; only the status of an answer is checked."""

    __slots__ = ("_statuses", "loader")

    def __init__(self, loader: Loader, statuses: Sequence[int]) -> None:
        super().__init__()
        self.loader = loader
        self._statuses = statuses

    @abstractmethod
    def finish(self, *, failed: bool) -> None:
        """Continue after the last answer of the script, or after a wrong status."""

    def again(self) -> None:
        """Send the next request, or finish after the last."""
        assert self.node is not None
        following = self.node.last_edge.following
        if following.__class__ is Node:
            self.loader.send(self, following)
        else:
            self.finish(failed=False)

    def answer(self, came: list[Answer]) -> None:
        """Store answers with expected statuses, so that equal ones need not be parsed."""
        assert self.node is not None
        if all(each.head.status in self._statuses for each in came):
            self.node.keep(b"".join(each.raw for each in came), self.node.last_edge)
            self.again()
        else:
            self.finish(failed=True)

    def finish_body(self) -> None:
        """Continue after the last byte of a body."""
        self.again()

    def end_early(self, why: Failure, detail: str = "") -> None:
        """Raise ConnectionError, which ends the load: a server must keep good connections."""
        raise ConnectionError(f"{why}: {detail}" if detail else why)


def look_until(loader: Loader, is_over: Callable[[], bool], seconds: float) -> None:
    """Process received data until `is_over`, for at most so many seconds."""
    end = time.perf_counter() + seconds
    while not is_over() and time.perf_counter() < end:
        loader.process(0.01)
