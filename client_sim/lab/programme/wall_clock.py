"""Timing on real clocks: whether the duration of a poll distinguishes two owners.

Under virtual time, timing is exact but ignores the processor. Here the polls of two owners are
timed over real sockets in a random order and compared statistically. The chance that any test
raises a false alarm is one in ten million batteries, so only large enough effects are found. Each
row says how large. This is a battery of its own, and its result is a file of its own.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import NormalDist, pstdev
from typing import Final

from client_sim.lab.oracles.distribution import (
    find_distance,
    find_welch,
    tail_of_chi_square,
    tail_of_kolmogorov,
    tail_of_normal,
)
from client_sim.lab.programme.result import WallClockRow
from client_sim.lab.programme.testbed import START, Testbed
from client_sim.lab.servers.scripted import ListeningServer
from client_sim.lab.trace.memory import Entropy
from client_sim.lab.trace.sockets import Relay, SocketWorld
from client_sim.tape import Tape
from client_sim.world import Factory, Stream

FAMILY: Final = 1e-7
"""The probability that any test of a battery raises an alarm for a clean client."""

_PLANES: Final = 12  # lowest bits of the microseconds
_LEAST: Final = 100  # durations of each owner; with fewer, the normal approximation is wrong
Read = Callable[[], int]
"""A monotonic clock in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Timed:
    """The duration of one poll in microseconds: until its first byte, and in total."""

    first: float
    whole: float


def compare_clocks(one: Sequence[Timed], other: Sequence[Timed]) -> tuple[WallClockRow, ...]:
    """Compare the polls of two owners by every test; raise ValueError for fewer than 100 of each.

    Both durations are compared by a Kolmogorov-Smirnov test, Welch's t-test, and a chi-square test
    of each of the twelve lowest bits. `FAMILY` is divided equally among the tests.
    """
    if min(len(one), len(other)) < _LEAST:
        raise ValueError(f"two owners need {_LEAST} polls or more each")
    measures: dict[str, Callable[[Timed], float]] = {
        "until the first byte": lambda timed: timed.first,
        "whole poll": lambda timed: timed.whole,
    }
    alpha = FAMILY / (len(measures) * (2 + _PLANES))
    return tuple(
        row
        for name, measure in measures.items()
        for row in _compare(name, [measure(t) for t in one], [measure(t) for t in other], alpha)
    )


def _compare(
    name: str, one: Sequence[float], other: Sequence[float], alpha: float
) -> list[WallClockRow]:
    samples = len(one) + len(other)
    effective = len(one) * len(other) / samples
    distance, t = find_distance(one, other), find_welch(one, other)
    deviate = -NormalDist().inv_cdf(alpha / 2)
    share = math.sqrt(-math.log(alpha / 2) / (2 * effective))
    shift = deviate * pstdev([*one, *other]) / math.sqrt(effective)
    rows = [
        WallClockRow(
            f"{name}: distribution",
            samples,
            distance,
            tail_of_kolmogorov(distance, effective),
            alpha,
            f"{share:.1%} of polls moved",
        ),
        WallClockRow(
            f"{name}: mean", samples, t, tail_of_normal(t), alpha, f"{shift:.3g} us later"
        ),
    ]
    bias = deviate / (2 * math.sqrt(effective))
    rows += [
        WallClockRow(
            f"{name}: bit {plane}",
            samples,
            found,
            tail_of_chi_square(found),
            alpha,
            f"a bit set {bias:.1%} more often",
        )
        for plane in range(_PLANES)
        for found in (_chi_square(one, other, plane),)
    ]
    return rows


def _chi_square(one: Sequence[float], other: Sequence[float], plane: int) -> float:
    """Return chi-square, with one degree of freedom, for a bit being set equally often in both."""
    ones = [sum(int(value) >> plane & 1 for value in values) for values in (one, other)]
    sizes = [len(one), len(other)]
    share = sum(ones) / sum(sizes)
    if not 0 < share < 1:
        return 0.0
    difference = ones[0] / sizes[0] - ones[1] / sizes[1]
    return difference**2 / (share * (1 - share) * (1 / sizes[0] + 1 / sizes[1]))


class _Phone:
    """A client whose polls to its own server over real sockets are timed."""

    def __init__(
        self, factory: Factory, testbed: Testbed, number: int, read: Read, stack: ExitStack
    ) -> None:
        public = testbed.publics[0]
        server = stack.enter_context(ListeningServer(testbed.quiet(), lambda: START, None))
        self._world = _Watched(
            public,
            testbed.owner(number),
            entropy=Entropy(b"%d" % testbed.seed),
            start=START,
            addresses={public.host: "127.0.0.1"},
            relay=stack.enter_context(Relay(server.address)),
        )
        self._world.read = read
        self._client = factory(self._world)
        self._read = read

    def poll(self) -> Timed:
        """Poll once and return its duration."""
        self._world.forget()
        began = self._read()
        self._client.poll()
        ended = self._read()
        first = self._world.first
        return Timed(((first or ended) - began) / 1000, (ended - began) / 1000)


class _Watched(SocketWorld):
    """A world that records when the first byte of a poll is sent."""

    read: Read
    first: int | None = None

    def forget(self) -> None:
        """Forget the time of the first byte before another poll."""
        self.first = None

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Return a stream that records the time of the first sent byte."""
        return _WatchedStream(super().connect(address, port, tls), self)


class _WatchedStream:
    def __init__(self, inner: Stream, world: _Watched) -> None:
        self._inner = inner
        self._world = world

    def send(self, data: bytes) -> None:
        if self._world.first is None:
            self._world.first = self._world.read()
        self._inner.send(data)

    def recv(self, limit: int) -> bytes:
        return self._inner.recv(limit)

    def close(self) -> None:
        self._inner.close()


def time_polls(
    factory: Factory,
    testbed: Testbed,
    samples: int,
    read: Read,
    on_progress: Callable[[str, int, int], None],
) -> tuple[list[Timed], list[Timed]]:
    """Time `samples` polls of each of two owners' phones, in a random order."""
    timed: tuple[list[Timed], list[Timed]] = ([], [])
    tape = Tape(f"{testbed.seed} order".encode())
    left = [samples, samples]
    with ExitStack() as stack:
        phones = [_Phone(factory, testbed, number, read, stack) for number in range(2)]
        for phone in phones:
            phone.poll()  # not timed: the first poll fetches metadata that the ROM does not have
        for done in range(1, 2 * samples + 1):
            turn = int(tape.below(sum(left)) >= left[0])
            left[turn] -= 1
            timed[turn].append(phones[turn].poll())
            on_progress("polls", done, 2 * samples)
    return timed
