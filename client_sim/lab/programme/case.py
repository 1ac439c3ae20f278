"""One question to a client: the runs that it takes, and who judges them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.setting import Setting
from client_sim.lab.scenarios.driving import Scenario
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
