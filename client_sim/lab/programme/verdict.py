"""One question about bytes that were recorded elsewhere, and what was found."""

from dataclasses import dataclass

from client_sim.lab.oracles.finding import Finding


@dataclass(frozen=True, slots=True)
class Check:
    """One question to all runs: passed when there are no findings.

    `cases` is how often it was asked; `count` how many findings there were, of which the first
    few are kept.
    """

    name: str
    question: str
    cases: int
    count: int
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return self.count == 0
