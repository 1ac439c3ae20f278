"""An open loop: polls begin when they are due, however long the server takes.

Run as `python -m benchmarks.device.load.open SPEC`. A latency is measured from the time at which
the poll was due to the last byte, so delays of this client are included. An unanswered poll counts
with the time that it has waited. `h2load --rps` does the same over kept connections, but is slower.
"""

import array
import random
import time
from bisect import bisect
from collections.abc import Iterator
from pathlib import Path

from benchmarks.device.load.client import Client, look_until, make_script, open_loader
from benchmarks.device.load.spec import OpenSpec, main
from benchmarks.device.measured import Measured, Window, percentiles
from client_sim.fleet.loader import Loader
from client_sim.fleet.tally import Failure

BURST = 8  # polls sent in a row before answers are processed
GRACE_SECONDS = 5.0  # wait for the last answers
TICK_SECONDS = 0.01  # phones that poll in the same tick are due at its beginning
SEED = 5
ANY = 1 << 20  # maximum connections, more than the polls that wait for an answer


class Polls:
    """The polls of a load: the due time and latency of each, and those under way."""

    def __init__(self, loader: Loader, spec: OpenSpec) -> None:
        self.loader = loader
        self.when, self.taken = array.array("d"), array.array("d")
        self.failed = 0
        self.under_way: set[Poll] = set()
        self._spec = spec
        self._first = make_script(spec.requests)
        self._spare: list[Poll] = []

    def open(self) -> None:
        """Open the kept connections with one poll each, which is not counted."""
        for _ in range(self._spec.connections):
            self.begin(0.0)
        look_until(self.loader, lambda: not self.under_way, GRACE_SECONDS)
        if self.under_way or self.failed:
            raise ConnectionError("the server did not answer the first polls")
        del self.when[:], self.taken[:]

    def begin(self, due: float) -> None:
        """Send a poll that was due at `due`."""
        poll = self._spare.pop() if self._spare else Poll(self, self._spec)
        poll.due = due
        self.under_way.add(poll)
        self.loader.send(poll, self._first)

    def note(self, poll: "Poll", now: float) -> None:
        """Record the latency of a poll."""
        self.when.append(poll.due)
        self.taken.append(now - poll.due)

    def end(self, poll: "Poll", *, failed: bool) -> None:
        """End a poll; its object is reused for another poll."""
        self.failed += failed
        self.under_way.discard(poll)
        self.loader.close(poll, is_good=not failed)
        self._spare.append(poll)

    def give_up(self) -> None:
        """Count the polls that are still under way as failed."""
        now = time.perf_counter()
        for poll in self.under_way:
            self.note(poll, now)
            self.failed += 1


class Poll(Client):
    """A poll that is under way, due at `due`."""

    __slots__ = ("_polls", "due")

    def __init__(self, polls: Polls, spec: OpenSpec) -> None:
        super().__init__(polls.loader, spec.statuses)
        self._polls = polls
        self.due = 0.0

    def finish(self, *, failed: bool) -> None:
        """Record the latency, or after a wrong status count the poll as failed."""
        if not failed:
            self._polls.note(self, time.perf_counter())
        self._polls.end(self, failed=failed)

    def end_early(self, why: Failure, detail: str = "") -> None:
        """Count the poll as failed; raise ConnectionError if connections are to be kept."""
        if self._polls.loader.keeps_connections:
            super().end_early(why, detail)
        self._polls.end(self, failed=True)


def run(spec: OpenSpec) -> Measured:
    """Poll for `spec.seconds`; return latencies of the whole run and between the marks."""
    limit = spec.connections if spec.keep else ANY
    with open_loader(spec, limit=limit, keep=spec.keep) as loader:
        return _run(Polls(loader, spec), spec)


def _run(polls: Polls, spec: OpenSpec) -> Measured:
    if spec.keep:
        polls.open()
    loader, clock = polls.loader, time.perf_counter
    # An urgent load sleeps, as other loads share its core; so does one with a connection per poll.
    sleeps = spec.urgent or not spec.keep
    dues = _pace(spec) if spec.keep else _draw(spec)
    window = Window(spec.watch, spec.known)
    begin, most = clock(), 0
    for number, after in enumerate(dues):
        due = begin + after
        while (rest := due - clock()) > 0:
            loader.process(rest if sleeps else 0)
        polls.begin(due)
        if number % BURST == BURST - 1:
            most = max(most, loader.under_way)
            loader.process(0)
    look_until(loader, lambda: not polls.under_way, GRACE_SECONDS)
    done = len(polls.taken)
    polls.give_up()
    latencies = percentiles(list(polls.taken)) | _by_marks(spec.marks, polls)
    extra = {"under way at most": float(most), "client's CPU": time.process_time()}
    return window.close(done, polls.failed, latencies=latencies, extra=extra)


def _pace(spec: OpenSpec) -> Iterator[float]:
    """Yield evenly spaced times, in seconds from the beginning."""
    for number in range(round(spec.rate * spec.seconds)):
        yield number / spec.rate


def _draw(spec: OpenSpec) -> Iterator[float]:
    """Yield the times of phones that each poll at a random tick, in order."""
    draw = random.Random(SEED)  # noqa: S311 - when phones poll is no secret
    ticks = round(spec.seconds / TICK_SECONDS)
    counts = [0] * ticks
    for _ in range(round(spec.rate * spec.seconds)):
        counts[draw.randrange(ticks)] += 1
    for tick, count in enumerate(counts):
        for _ in range(count):
            yield tick * TICK_SECONDS


def _by_marks(marks: str, polls: Polls) -> dict[str, float]:
    """Return the percentiles of each interval between the times in the file `marks`."""
    if not marks:
        return {}
    limits = [float(line) for line in Path(marks).read_text().splitlines()]
    stretches: list[list[float]] = [[] for _ in range(len(limits) + 1)]
    for moment, latency in zip(polls.when, polls.taken, strict=True):
        stretches[bisect(limits, moment)].append(latency)
    found: dict[str, float] = {}
    for number, stretch in enumerate(stretches):
        found |= {f"{name}-{number}": value for name, value in percentiles(stretch).items()}
    return found


if __name__ == "__main__":
    main(OpenSpec, run)
