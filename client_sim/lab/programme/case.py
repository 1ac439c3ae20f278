"""One question about a client: the runs that answer it, and their judge.

Most judges compare the first run with each of the others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from client_sim.lab.oracles.equality import judge_equality
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.setting import Setting
from client_sim.lab.scenarios.driving import POLL, Scenario
from client_sim.lab.trace.observation import Observation

Judge = Callable[[Sequence[Observation]], tuple[Finding, ...]]
"""Judges the runs of a case, given in the order of its settings, and returns findings."""


@dataclass(frozen=True, slots=True)
class Case:
    """Runs of one client and their judge; the same judge judges a reduced case.

    `skipped_guards` are not applied: when a server fails on purpose, polls do not complete. If
    runs have different steps on purpose, `derive` makes the other scenarios from the first one, so
    that a reduced first scenario gets matching counterparts.
    """

    settings: tuple[Setting, ...]
    judge: Judge
    skipped_guards: frozenset[str] = frozenset()
    derive: Callable[[Scenario], Scenario] | None = None

    @property
    def all_skipped_guards(self) -> frozenset[str]:
        """The guards not applied: an aborted poll also leaves an answer unread (`ends`)."""
        return (
            self.skipped_guards | {"ends"}
            if "completes" in self.skipped_guards
            else self.skipped_guards
        )


@dataclass(frozen=True, slots=True)
class Battery:
    """Cases of the same question; `make(number)` returns one of `size` and is deterministic.

    `oracle` is the column in the kill matrix; `claim` is N1, N2, N3, N4 or `guard`.
    """

    oracle: str
    claim: str
    question: str
    size: int
    make: Callable[[int], Case]


def judge_same_trace(observations: Sequence[Observation]) -> tuple[Finding, ...]:
    """Find where another run differs from the first in anything, including times."""
    return _compare(observations, with_time=True)


def judge_same_bytes(observations: Sequence[Observation]) -> tuple[Finding, ...]:
    """Find where another run differs from the first in its bytes; times may differ."""
    return _compare(observations, with_time=False)


def judge_same_polls(observations: Sequence[Observation]) -> tuple[Finding, ...]:
    """Find where another run's polls differ from the first's, or where it sends between polls."""
    return _compare([without_quiet_steps(each) for each in observations], with_time=True)


def without_quiet_steps(observation: Observation) -> Observation:
    """Give all steps between polls the same name; scenarios differ in how many steps they have.

    No departure is removed: a client that sends between polls still differs from a silent one.
    """
    renamed = tuple(
        d if d.phase.startswith(POLL) else replace(d, phase="between polls")
        for d in observation.departures
    )
    return replace(observation, departures=renamed)


def _compare(observations: Sequence[Observation], *, with_time: bool) -> tuple[Finding, ...]:
    first, *others = observations
    return tuple(
        finding
        for place, other in enumerate(others, 2)
        for finding in judge_equality(first, other, f"run {place}", with_time=with_time)
    )
