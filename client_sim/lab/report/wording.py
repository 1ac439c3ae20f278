"""Sentences in reports for people, and the grouping of equal findings.

The sentences describe what a clean verdict covers: the number of situations, combined conditions,
and what was not varied. A number that left in ten encodings is shown as one number.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.covering import Coverage, Crossings
from client_sim.lab.programme.result import BatteryResult, ProgrammeResult

_CLAIM_SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "N1": "nothing about the owner changed what left",
        "N2": "phones in one public state were one crowd",
        "N3": "nothing that a server said came back",
        "N4": "poll times followed from fresh randomness",
    }
)
_CROSSED: Final = "crossed"
_NOT_INSTALLED: Final = (
    " Installations were not judged: the lab can drive them only with PollingClient and its"
    " subclasses."
)
NOT_VARIED: Final = (
    "Not varied, and so not claimed: what native code itself asks the system, the interpreter,"
    " the processor, other machines' network stacks, and triggers that never occurred."
)
"""What no run on a single machine can vary."""
_TOGETHER = {2: "pair", 3: "triple"}


def describe_outcome(result: ProgrammeResult) -> tuple[str, str]:
    """Return the two halves of a title: the client, and the findings and number of runs."""
    client = "hening polls" if result.client == "clean" else f"{result.client} polls"
    if result.is_clean:
        return client, f"no leak found in {result.runs:,} runs"
    if result.verdict == "leak":
        return client, f"leak found by {', '.join(result.failed())}"
    return client, f"nothing proven in {result.runs:,} runs"


def describe_claim(claim: str, batteries: Sequence[BatteryResult]) -> str:
    """Return a sentence about the cases in which a claim held; "" except for the four claims."""
    if claim not in _CLAIM_SENTENCES:
        return ""
    cases, kinds = sum(battery.cases for battery in batteries), len(batteries)
    return f"In {cases:,} cases of {_count(kinds)} {_CLAIM_SENTENCES[claim]}."


def describe_extent(result: ProgrammeResult) -> str:
    """Return a sentence about the number and kinds of compared situations, and the omissions."""
    compared = [battery for battery in result.batteries if battery.claim != "guard"]
    cases = sum(battery.cases for battery in compared)
    names = ", ".join(battery.oracle for battery in compared)
    crossed = sum(battery.cases for battery in compared if battery.oracle == _CROSSED)
    crossing = f"; {crossed:,} of them cross several conditions" if crossed else ""
    installed = "" if result.installs else _NOT_INSTALLED
    kinds = _count(len(compared))
    return f"No difference in {cases:,} situations of {kinds} ({names}){crossing}.{installed}"


def _count(kinds: int) -> str:
    return f"{kinds} kind" if kinds == 1 else f"{kinds} kinds"


def make_crossings_table(crossings: Crossings) -> Table:
    """Return a table with a row for each condition."""
    title = "Crossed conditions"
    table = Table("condition", "levels", title=title, title_justify="left", box=SIMPLE_HEAD)
    for name, levels in crossings.factors.items():
        table.add_row(Text(name), Text(", ".join(levels)))
    return table


def describe_coverage(coverage: Coverage, crossings: Crossings) -> str:
    """Return a sentence about the covered combinations: `Pairs of levels: 12 of 12.`."""
    text = f"{_TOGETHER[coverage.together].capitalize()}s of levels"
    if len(coverage.of) < len(crossings.factors):
        text += f" of {', '.join(coverage.of)}"
    return f"{text}: {coverage.covered:,} of {coverage.all:,}."


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """A finding that represents `times` equal ones."""

    finding: Finding
    times: int


def group_findings(findings: Sequence[Finding]) -> tuple[FindingGroup, ...]:
    """Return the first finding for each sentence, or for each value that left, in order.

    Findings of the canary search at the same position are also one value: a contact's number may
    occur in the call log as well.
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
    return tuple(FindingGroup(firsts[subject], times) for subject, times in counted.items())


def group_outcomes(outcomes: Sequence[str]) -> Iterator[str]:
    """Yield a line for each run of equal decisions: the numbers of the polls, and the decision."""
    last = 0
    for outcome, equal in groupby(outcomes):
        first, last = last + 1, last + len(list(equal))
        polls = f"poll {first}" if first == last else f"polls {first} to {last}"
        yield f"{polls} of the first run decided: {outcome}"


def _subject(explanation: str) -> tuple[str, str]:
    """Return a canary search's sentence without the encoding of the value."""
    head, encoding, rest = explanation.partition(" as ")
    _, colon, value = rest.partition(": ")
    return (head, value) if encoding and colon else (explanation, "")
