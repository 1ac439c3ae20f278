"""Findings that say the same, as one: a number that left in ten dresses is one number."""

from collections.abc import Sequence
from dataclasses import dataclass

from client_sim.lab.oracles.finding import Finding


@dataclass(frozen=True, slots=True)
class Told:
    """A finding that stands for `times` of those that were kept."""

    finding: Finding
    times: int


def gather(findings: Sequence[Finding]) -> tuple[Told, ...]:
    """Give the first of those with one sentence, or of which one value left, in their order.

    What the canary search found in one place is one value, too: a number is a contact's and stands
    in the log of calls.
    """
    counted: dict[tuple[str, str], int] = {}
    firsts: dict[tuple[str, str], Finding] = {}
    places: dict[tuple[bytes, int], tuple[str, str]] = {}
    for finding in findings:
        subject = _subject(finding.explanation)
        if subject[1]:
            subject = places.setdefault((finding.data, finding.offset), subject)
        counted[subject] = counted.get(subject, 0) + 1
        firsts.setdefault(subject, finding)
    return tuple(Told(firsts[subject], times) for subject, times in counted.items())


def _subject(explanation: str) -> tuple[str, str]:
    """Leave out of a sentence of the canary search how the value was dressed."""
    head, dressed, rest = explanation.partition(" as ")
    _, colon, value = rest.partition(": ")
    return (head, value) if dressed and colon else (explanation, "")
