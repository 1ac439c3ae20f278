"""Equal things merged: a number that left in ten encodings is one number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from client_sim.lab.oracles.finding import Finding


@dataclass(frozen=True, slots=True)
class Told:
    """A finding that stands for `times` of those that were kept."""

    finding: Finding
    times: int


def gather(findings: Sequence[Finding]) -> tuple[Told, ...]:
    """Return the first finding for each sentence, or for each value that left, in their order.

    What the canary search found in one place is one value, too: a contact's number may also stand
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


def gather_outcomes(outcomes: Sequence[str]) -> Iterator[str]:
    """Yield a line for each run of equal decisions: the polls' numbers, and what they decided."""
    last = 0
    for outcome, equal in groupby(outcomes):
        first, last = last + 1, last + len(list(equal))
        polls = f"poll {first}" if first == last else f"polls {first} to {last}"
        yield f"{polls} of the first run decided: {outcome}"


def _subject(explanation: str) -> tuple[str, str]:
    """Remove from a sentence of the canary search how the value was encoded."""
    head, dressed, rest = explanation.partition(" as ")
    _, colon, value = rest.partition(": ")
    return (head, value) if dressed and colon else (explanation, "")
