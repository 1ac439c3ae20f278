"""What a load is told, as JSON on its command line, and how it begins and ends."""

import contextlib
import gc
import os
import sys
from collections.abc import Callable
from typing import TypeVar

import msgspec

from benchmarks.device.measured import Measured

LOAD_CORE = 1
SOURCES = 16
"""How many addresses of loopback connections come from, 127.0.0.2 on: each has its own ports."""


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What every load knows.

    `port`: the server's, on loopback. `watch`: the server's process ids; `known`: those of other
    loads, so that their CPU is not taken for a stranger's. `urgent`: this load goes before whatever
    else is on its core.
    """

    port: int
    seconds: float
    watch: list[int] = []
    known: list[int] = []
    urgent: bool = False


class KeptSpec(Spec, frozen=True, kw_only=True):
    """A closed loop on kept connections; connection N asks `requests[N % len(requests)]`.

    `batch`: how often it does so in one packet.
    """

    requests: list[str]
    batch: int = 1
    connections: int = 64
    warm_up: float = 0.3


class FreshSpec(Spec, frozen=True, kw_only=True):
    """A closed loop with a new connection for each poll, which asks all `requests` in turn."""

    requests: list[str]
    connections: int = 64
    warm_up: float = 0.3


class PacedSpec(Spec, frozen=True, kw_only=True):
    """An open loop: `rate` questions a second over kept connections.

    `marks`: a file in which the bench may write times of `perf_counter`, one a line; latencies are
    then told apart by them.
    """

    request: str
    rate: float
    connections: int = 256
    marks: str = ""


class FleetSpec(Spec, frozen=True, kw_only=True):
    """An open loop with a new connection for each poll, which asks all `requests` in turn.

    `phones` poll once in `interval` seconds each, at a `tick` of their own. `statuses` are those
    that are right.
    """

    requests: list[str]
    phones: int = 1_000_000
    interval: float = 60.0
    tick: float = 0.01
    statuses: tuple[int, ...] = (200, 404)


class PullSpec(Spec, frozen=True, kw_only=True):
    """Downloads, `connections` at once, in pieces of `piece` bytes; 0 is the whole file."""

    path: str
    length: int
    connections: int = 64
    piece: int = 0
    warm_up: float = 0.3


class CrowdSpec(Spec, frozen=True, kw_only=True):
    """Many connections that are kept until the bench closes the load's input.

    Without `drip` each asks once and is idle; with it, it sends a byte each `drip` seconds.
    """

    request: str
    connections: int = 10_000
    drip: float = 0.0


class PipelineSpec(Spec, frozen=True, kw_only=True):
    """Clients that pipeline `request` without end, until the bench closes the load's input."""

    request: str
    connections: int = 200


AnySpec = TypeVar("AnySpec", bound=Spec)


def main(kind: type[AnySpec], run: Callable[[AnySpec], Measured]) -> None:
    """Run a load on its core, without breaks for garbage, and write what it measured."""
    spec = msgspec.json.decode(sys.argv[1], type=kind)
    if LOAD_CORE in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {LOAD_CORE})
    gc.disable()
    if spec.urgent:
        go_first()
    sys.stdout.buffer.write(msgspec.json.encode(run(spec)))


def go_first() -> None:
    """Go before whatever else is on the same core, where that is allowed; children do not."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def source(number: int) -> tuple[str, int]:
    """Return an address to connect from."""
    return f"127.0.0.{2 + number % SOURCES}", 0
