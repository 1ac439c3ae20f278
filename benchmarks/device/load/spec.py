"""The parameters of a load, JSON on its command line, and the main function of all loads."""

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
    """The parameters of every load.

    `port`: the server's, on loopback. `watch`: the server's process ids. `known`: those of other
    loads, whose CPU does not count as a disturbance. `urgent`: this load has priority on its core.
    `statuses`: those of correct answers. `authority`: the PEM file of the server's CA certificate;
    if given, connections use TLS.
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

    With `keep` client N sends `requests[N % len(requests)]` over one connection, `batch` times in a
    packet. Without it each client sends all requests in turn, and then connects again.
    """

    requests: list[str]
    keep: bool = True
    batch: int = 1
    connections: int = 64
    warm_up: float = 0.3


class OpenSpec(Spec, frozen=True, kw_only=True):
    """An open loop of `rate` polls per second, each of which sends all `requests` in turn.

    With `keep` polls are evenly spaced and share `connections`. Without it each poll has its own
    connection and a random time. `marks`: a file to which the benchmark may write times of
    `perf_counter`, one per line; latencies are then also reported for the intervals between them.
    """

    requests: list[str]
    rate: float
    keep: bool = False
    connections: int = 256
    marks: str = ""


class PullSpec(Spec, frozen=True, kw_only=True):
    """Downloads over `connections` in parallel, in pieces of `piece` bytes; 0 is the whole file.

    Pieces are requested with the header `lines` of another client; by default, as a phone does.
    """

    path: str
    length: int
    lines: tuple[str, ...] = ()
    connections: int = 64
    piece: int = 0
    warm_up: float = 0.3


class HandshakeSpec(Spec, frozen=True, kw_only=True):
    """Clients that make a TLS handshake and disconnect, `rate` per second; 0 is no limit."""

    rate: float = 0.0
    threads: int = 16


class Kind(StrEnum):
    """The behaviour of a crowd: idle after a poll, a byte per second, or endless requests."""

    IDLE = "idle"
    SLOW = "slow"
    PIPELINING = "pipelining"


class CrowdSpec(Spec, frozen=True, kw_only=True):
    """Many clients of a kind, connected until the benchmark closes the load's standard input."""

    request: str
    kind: Kind = Kind.IDLE
    connections: int = 10_000


AnySpec = TypeVar("AnySpec", bound=Spec)


def main(kind: type[AnySpec], run: Callable[[AnySpec], Measured]) -> None:
    """Run a load on its core, without garbage collection, and write its result."""
    spec = msgspec.json.decode(sys.argv[1], type=kind)
    if LOAD_CORE in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {LOAD_CORE})
    gc.disable()
    if spec.urgent:
        go_first()
    sys.stdout.buffer.write(msgspec.json.encode(run(spec)))


def go_first() -> None:
    """Get real-time priority (SCHED_FIFO) for this process, not its children, if permitted."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
