"""One question to a whole capture, and the evidence that is kept of what was found."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from client_sim.lab.captures.evidence import KEPT, Evidence, Place


@dataclass(frozen=True, slots=True)
class Question:
    """One question to the whole capture: `count` findings, of which the first are kept."""

    name: str
    asks: str
    cases: int
    count: int
    evidence: tuple[Evidence, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return self.count == 0


@dataclass(frozen=True, slots=True)
class Case:
    """A finding before it is known whether it is kept: where, why, and which bytes there."""

    place: Place
    explanation: str
    offset: int
    length: int


def ask(
    name: str, asks: str, cases: int, found: Iterable[Case], *, personal: bool = False
) -> Question:
    """Ask a question; `found` is what there is against a good answer, however much that is."""
    source = iter(found)
    kept = tuple(
        each.place.evidence(each.explanation, each.offset, each.length, personal=personal)
        for each in islice(source, KEPT)
    )
    return Question(name, asks, cases, len(kept) + sum(1 for _ in source), kept)
