"""The verdict on a client: what was asked of it, and each octet that speaks against it."""

from dataclasses import dataclass

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.trace.observation import Observation


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


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks of one client, with a sample: the first run of the first persona.

    `answers_agree` is false when the server's answers changed between runs, so that a difference
    between two phones may be the server's doing.
    """

    client: str
    scenario: str
    personas: int
    runs: int
    polls: int
    octets: int
    checks: tuple[Check, ...]
    sample: Observation
    answers_agree: bool

    @property
    def is_clean(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def word(self) -> str:
        """The verdict in a word: `unproven` when all that is wrong is that polls got nowhere."""
        if self.is_clean:
            return "clean"
        return "unproven" if self.failed() == ("completes",) else "leak"

    def failed(self) -> tuple[str, ...]:
        """Name the checks that found something."""
        return tuple(check.name for check in self.checks if not check.passed)
