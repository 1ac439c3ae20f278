"""Counters of a worker, which can be added up over all workers."""

import time
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from client_sim.fleet.errors import MISHAPS, Fault
from client_sim.fleet.lines import Lines
from client_sim.fleet.timer_wheel import TICKS

BINS: Final = 96
"""The number of intervals into which the curves divide the simulated time of a run."""

REASONS: Final = 10
"""Maximum number of reported reasons why twins do not run their phone's build."""

_OCTAVE: Final = 8  # latency classes in each power of two: 9 % each
_SLOTS: Final = 40 * _OCTAVE


class Failure(StrEnum):
    """The reason why a poll or a later step ended early; the phone polls again at its next time."""

    NO_NETWORK = "the phone had no network (simulated)"
    CUT = "the phone's network broke (simulated)"
    CLOCK = "the phone's clock is beyond the timestamp's expiry"
    UNREACHABLE = "no connection"
    BROKEN = "the server ended the connection"
    SLOW = "no answer in time"
    HTTP = "an answer was no answer of this protocol"
    TRUST = "the phone's trust refused what was signed"
    UNKNOWN = "an answer had a hash that nobody has verified"
    OLDER = "a timestamp was older than the one held"
    PACKAGE = "a package did not have the signed hash"
    CHANGED = "the offer changed during the download"


SIMULATED: Final = frozenset({Failure.NO_NETWORK, Failure.CUT, Failure.CLOCK})
"""Failures that the simulated phones cause; all others count as the server's."""


def _find_slot(micros: int) -> int:
    micros |= 1
    octave = micros.bit_length() - 1
    part = (micros << 3 >> octave) & 7
    return min(octave * _OCTAVE + part, _SLOTS - 1)


_FIRST_SLOTS: Final = array("H", map(_find_slot, range(1 << 15)))  # of nearly all latencies


class Latencies:
    """A histogram of latencies; its classes are an eighth of an octave wide."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts = array("Q", bytes(8 * _SLOTS))

    def add(self, seconds: Iterable[float]) -> None:
        """Count latencies."""
        counts, slots = self.counts, _FIRST_SLOTS
        for each in seconds:
            micros = int(each * 1e6)
            counts[slots[micros] if micros < len(slots) else _find_slot(micros)] += 1

    def merge(self, other: "Latencies") -> None:
        """Add the counts of another one."""
        self.counts = array("Q", map(sum, zip(self.counts, other.counts, strict=True)))

    def quantile(self, share: float) -> float:
        """Return the quantile `share` of the latencies in seconds, rounded up to a class."""
        remaining = share * sum(self.counts)
        for slot, count in enumerate(self.counts):
            remaining -= count
            if count and remaining <= 0:
                octave, part = divmod(slot, _OCTAVE)
                return (1 + (part + 1) / _OCTAVE) * 2.0**octave / 1e6
        return 0.0


@dataclass(slots=True)
class Tally:
    """Totals of one worker, or of all of them.

    `polls` counts successful polls, `offers` those with an offer, not counting the poll before a
    switch. `fetched` counts complete packages with the signed hash, `switched` installations,
    `arrived` those of the newest build. `untold` counts requests whose senders are not counted.
    `twins` were made, of which `twins_installed` run their phone's build; `twins_left_out` were not
    made for lack of time. `mishaps` are the first failures of the server. `sent` and `received` are
    bytes of HTTP. `polled_in`, `requested_in` and `arrived_in` count polls, requests and arrivals
    in each of `BINS` intervals of the simulated time.
    """

    polls: int = 0
    requests: int = 0
    connections: int = 0
    sent: int = 0
    received: int = 0
    offers: int = 0
    fetched: int = 0
    switched: int = 0
    arrived: int = 0
    lessons: int = 0
    untold: int = 0
    twins: int = 0
    twins_installed: int = 0
    twins_left_out: int = 0
    failures: Counter[Failure] = field(default_factory=Counter)
    mishaps: list[Fault] = field(default_factory=list)
    twin_refusals: list[str] = field(default_factory=list)
    latencies: Latencies = field(default_factory=Latencies)
    polled_in: list[int] = field(default_factory=lambda: [0] * BINS)
    requested_in: list[int] = field(default_factory=lambda: [0] * BINS)
    arrived_in: list[int] = field(default_factory=lambda: [0] * BINS)

    def merge(self, other: "Tally") -> None:
        """Add the totals of another worker."""
        for name in (
            *("polls", "requests", "connections", "sent", "received", "offers", "fetched"),
            *("switched", "arrived", "lessons", "untold"),
            *("twins", "twins_installed", "twins_left_out"),
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.failures += other.failures
        self.mishaps = [*self.mishaps, *other.mishaps][:MISHAPS]
        self.twin_refusals = [*self.twin_refusals, *other.twin_refusals][:REASONS]
        self.latencies.merge(other.latencies)
        for name in ("polled_in", "requested_in", "arrived_in"):
            mine, theirs = getattr(self, name), getattr(other, name)
            setattr(self, name, [a + b for a, b in zip(mine, theirs, strict=True)])

    def server_failures(self) -> int:
        """Return the number of failures that the simulated phones did not cause."""
        return sum(count for why, count in self.failures.items() if why not in SIMULATED)


_BATCH: Final = 4_096  # latencies to collect before they are classified together


class Stopwatch:
    """A clock that records latencies in `tally`.

    `excluded` are the seconds in which this process did other work; the clock excludes them.
    """

    def __init__(self, tally: Tally) -> None:
        self.excluded = 0.0
        self._tally = tally
        self._noted: list[float] = []

    def read(self) -> float:
        """Return the clock's time in seconds."""
        return time.perf_counter() - self.excluded

    def note(self, seconds: float, times: int = 1) -> None:
        """Record a latency of `times` polls."""
        self._noted.extend([seconds] * times)
        if len(self._noted) > _BATCH:
            self.count()

    def count(self) -> None:
        """Classify the collected latencies."""
        self._tally.latencies.add(self._noted)
        self._noted.clear()


class Intervals:
    """Records in `tally` the counts of each of the `BINS` intervals of `length` seconds."""

    def __init__(self, tally: Tally, lines: Lines, length: float) -> None:
        self._tally = tally
        self._lines = lines
        self._ticks = length * TICKS
        self._now = 0
        self._ends = self._ticks / BINS

    def find(self, tick: int) -> int:
        """Return the interval that contains `tick`."""
        return min(BINS - 1, int(tick / self._ticks * BINS))

    def move(self, tick: int) -> None:
        """Set the current tick, which never decreases."""
        if tick >= self._ends:
            self.count()
            self._now = self.find(tick)
            self._ends = (self._now + 1) * self._ticks / BINS

    def count(self) -> None:
        """Update the totals that are derived from the counts of each line."""
        tally = self._tally
        tally.requests, tally.sent = self._lines.total()
        tally.untold = self._lines.untold()
        tally.polled_in[self._now] = tally.polls - sum(tally.polled_in[: self._now])
        tally.requested_in[self._now] = tally.requests - sum(tally.requested_in[: self._now])
