"""Counting what the cases of a programme found, in parts that are put together in order."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.scenarios.driving import POLL
from client_sim.lab.trace.observation import Channel, Observation

_KEPT: Final = 8  # findings of an oracle: enough to act on, little enough to read


Extent = tuple[int, int]
"""How many polls a run has, and how many bytes were sent in it."""

Place = tuple[int, int]
"""The place of a battery in a plan, and the number of a case in it."""


@dataclass(slots=True)
class Tally:
    """What one oracle examined and found; the first findings are kept, each sentence once.

    `places` is where each of these was: the place of the battery and the number of the case.
    """

    cases: int = 0
    runs: int = 0
    polls: int = 0
    size: int = 0
    count: int = 0
    findings: list[Finding] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)

    def add(self, place: Place, runs: Iterable[Extent], findings: Iterable[Finding]) -> None:
        """Count one case, which stands at `place`."""
        self.cases += 1
        for polls, data in runs:
            self.runs += 1
            self.polls += polls
            self.size += data
        self._keep((place, finding) for finding in findings)

    def merge(self, other: "Tally") -> None:
        """Add what was counted after this."""
        self.cases += other.cases
        self.runs += other.runs
        self.polls += other.polls
        self.size += other.size
        kept = len(other.findings)
        self._keep(zip(other.places, other.findings, strict=True))
        self.count += other.count - kept

    def _keep(self, findings: Iterable[tuple[Place, Finding]]) -> None:
        for place, finding in findings:
            self.count += 1
            known = {each.explanation for each in self.findings}
            if len(self.findings) < _KEPT and finding.explanation not in known:
                self.findings.append(finding)
                self.places.append(place)


def measure(observation: Observation) -> Extent:
    """Count the polls and the bytes of a run."""
    polls = data = 0
    for departure in observation.departures:
        if departure.channel is Channel.SCHEDULE and departure.phase.startswith(POLL):
            polls += 1
        elif departure.channel is Channel.BYTES:
            data += len(departure.data)
    return polls, data
