"""One question to a client: the runs that it takes, and who judges them.

Most judges compare the first run with each other one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from client_sim.lab.oracles.equality import judge_equality
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.setting import Setting
from client_sim.lab.scenarios.driving import POLL, Scenario
from client_sim.lab.trace.observation import Observation

Judge = Callable[[Sequence[Observation]], tuple[Finding, ...]]
"""Judges the runs of a case, in the order of its settings; returns its findings."""


@dataclass(frozen=True, slots=True)
class Case:
    """Runs of one client and the judge of them; a smaller case is judged by the same judge.

    Guards in `spared` are not asked: where a server fails on purpose, polls do not get anywhere.
    Where runs differ in their steps on purpose, `derive` makes the other scenarios from the first,
    so that a smaller first one has its own counterparts.
    """

    settings: tuple[Setting, ...]
    judge: Judge
    spared: frozenset[str] = frozenset()
    derive: Callable[[Scenario], Scenario] | None = None

    @property
    def unasked(self) -> frozenset[str]:
        """The guards that are not asked: a poll that is broken off leaves an answer unread, too."""
        return self.spared | {"ends"} if "completes" in self.spared else self.spared


@dataclass(frozen=True, slots=True)
class Battery:
    """Cases that put the same question; `make(number)` gives one of `size`, always the same.

    `oracle` is the column of the kill matrix and `claim` one of N1, N2, N3, N4 or `guard`.
    """

    oracle: str
    claim: str
    question: str
    size: int
    make: Callable[[int], Case]


def judge_same_trace(seen: Sequence[Observation]) -> tuple[Finding, ...]:
    """Find where another run shows anything else than the first, times included."""
    return _compare(seen, with_time=True)


def judge_same_bytes(seen: Sequence[Observation]) -> tuple[Finding, ...]:
    """Find where another run shows other bytes than the first; times are its own."""
    return _compare(seen, with_time=False)


def judge_same_polls(seen: Sequence[Observation]) -> tuple[Finding, ...]:
    """Find where another run polls otherwise than the first, or leaves anything between polls."""
    return _compare([without_quiet_steps(each) for each in seen], with_time=True)


def without_quiet_steps(observation: Observation) -> Observation:
    """Rename what stands between polls, since steps are numbered and lives differ in their number.

    Nothing that left is taken out: what leaves between polls differs from silence.
    """
    renamed = tuple(
        d if d.phase.startswith(POLL) else replace(d, phase="between polls")
        for d in observation.departures
    )
    return replace(observation, departures=renamed)


def _compare(seen: Sequence[Observation], *, with_time: bool) -> tuple[Finding, ...]:
    first, *others = seen
    return tuple(
        finding
        for place, other in enumerate(others, 2)
        for finding in judge_equality(first, other, f"run {place}", with_time=with_time)
    )
