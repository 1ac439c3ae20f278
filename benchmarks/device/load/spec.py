"""What a load is told, as JSON on its command line, and how it begins and ends."""

import contextlib
import gc
import os
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

import msgspec

from benchmarks.device.measured import Measured

LOAD_CORE = 1


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What every load knows.

    `port`: the server's, on loopback. `watch`: the server's process ids; `known`: those of other
    loads, so that their CPU is not taken for a stranger's. `urgent`: this load goes before whatever
    else is on its core. `statuses`: those of right answers. `authority`: the PEM file that vouches
    for the server, whose connections are TLS then.
    """

    port: int
    seconds: float
    watch: list[int] = []
    known: list[int] = []
    urgent: bool = False
    statuses: tuple[int, ...] = (200, 206, 304, 404)
    authority: str = ""


class ClosedSpec(Spec, frozen=True, kw_only=True):
    """A closed loop of `connections` clients.

    With `keep` client N asks `requests[N % len(requests)]` over one connection, `batch` times in a
    packet; without it each client asks all of them in turn, and then connects anew.
    """

    requests: list[str]
    keep: bool = True
    batch: int = 1
    connections: int = 64
    warm_up: float = 0.3


class OpenSpec(Spec, frozen=True, kw_only=True):
    """An open loop of `rate` polls a second, each of which asks all `requests` in turn.

    With `keep` they are spread evenly over `connections`; without it each has one of its own, and
    phones poll at ticks that are drawn. `marks`: a file in which the bench may write times of
    `perf_counter`, one a line; latencies are then told apart by them.
    """

    requests: list[str]
    rate: float
    keep: bool = False
    connections: int = 256
    marks: str = ""


class PullSpec(Spec, frozen=True, kw_only=True):
    """Downloads, `connections` at once, in pieces of `piece` bytes; 0 is the whole file.

    With `lines` of a header they are another client's than the phone's.
    """

    path: str
    length: int
    lines: tuple[str, ...] = ()
    connections: int = 64
    piece: int = 0
    warm_up: float = 0.3


class HandshakeSpec(Spec, frozen=True, kw_only=True):
    """Clients that shake hands and leave, `rate` a second; 0: as many as `threads` manage."""

    rate: float = 0.0
    threads: int = 16


class Kind(StrEnum):
    """What a crowd does: nothing after a poll, a byte each second, or requests without end."""

    IDLE = "idle"
    SLOW = "slow"
    PIPELINING = "pipelining"


class CrowdSpec(Spec, frozen=True, kw_only=True):
    """Many clients of a kind that are there until the bench closes the load's input."""

    request: str
    kind: Kind = Kind.IDLE
    connections: int = 10_000


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
