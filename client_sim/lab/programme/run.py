"""Runs of a client, what each guard says of them, and the tally of what was found.

A guard asks something of every single run, whatever it was made for.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Final

from client_sim.lab.oracles import judging
from client_sim.lab.oracles.again import judge_again
from client_sim.lab.oracles.canary import CanarySearch
from client_sim.lab.oracles.connections import judge_ends, judge_tls, judge_writes
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.case import Judge
from client_sim.lab.programme.setting import Setting, observe
from client_sim.lab.scenarios.driving import POLL
from client_sim.lab.trace.observation import Channel, Observation
from client_sim.persona import Persona, canaries
from client_sim.world import Factory, Public

QUESTIONS: Final = {
    "completes": "Does every poll reach the server, and does the client survive the run?",
    "grammar": "Is every byte in the request table?",
    "again": "Is nothing asked for again that came whole and was accepted?",
    "schedule": "Is there silence between polls, and is each interval one that a phone may draw?",
    "canaries": "Is any planted value to be found, through encodings, digests and compression?",
    "tripwire": "Does polling leave the owner's data unread?",
    "writes": "Is each request one write, and under TLS one record?",
    "ends": "Does each connection end in order, and never by a reset?",
    "tls": "Does TLS name one host and one protocol, and come back to no session?",
    "egress": "Is the host of the ROM image the only one asked for and talked to?",
}
"""The guards by name, which is their column in the kill matrix."""

CANARIES: Final = "canaries"

GUARDS: Final[Mapping[str, Callable[[Observation, Public], tuple[Finding, ...]]]] = {
    "completes": judging.judge_completion,
    "grammar": judging.judge_grammar,
    "again": lambda observation, _public: judge_again(observation),
    "schedule": lambda observation, _public: judging.judge_schedule(observation),
    "tripwire": lambda observation, _public: judging.judge_reads(observation),
    "writes": lambda observation, _public: judge_writes(observation),
    "ends": lambda observation, _public: judge_ends(observation),
    "tls": judge_tls,
    "egress": judging.judge_egress,
}
"""The guards that need a run and its phone alone; the search for canaries needs the owner, too."""
_KEPT: Final = 8  # findings of an oracle: enough to act on, little enough to read
Extent = tuple[int, int]
"""How many polls a run has, and how many bytes were sent in it."""
Place = tuple[int, int]
"""The place of a battery in a plan, and the number of a case in it."""
_REMEMBERED: Final = 4  # runs


def judge_canaries(observation: Observation, setting: Setting, layers: int) -> tuple[Finding, ...]:
    """Search one run for its owner's values, so many layers deep."""
    search = _deep_search(setting.personal, layers) if layers else _plain_search(setting.personal)
    return judging.judge_canaries(observation, search)


def judge_of(oracle: str, setting: Setting, layers: int) -> Judge:
    """Return the judge that asks one guard about the run of a setting."""

    def judge(seen: Sequence[Observation]) -> tuple[Finding, ...]:
        if oracle == CANARIES:
            return judge_canaries(seen[0], setting, layers)
        return GUARDS[oracle](seen[0], setting.public)

    return judge


# Few owners are searched for deeply, which takes a second each; nearly all of them plainly.
@lru_cache(maxsize=16)
def _plain_search(persona: Persona) -> CanarySearch:
    return CanarySearch(canaries(persona), 0)


@lru_cache(maxsize=24)  # batteries begin with the same owners
def _deep_search(persona: Persona, layers: int) -> CanarySearch:
    return CanarySearch(canaries(persona), layers)


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


class Run:
    """A run that was made; many cases may compare with it, and each guard judges it once."""

    def __init__(self, factory: Factory, setting: Setting) -> None:
        self.setting = setting
        self.seen: Observation = observe(factory, setting)
        self._counted: set[str] = set()
        self._said: dict[tuple[str, int], tuple[Finding, ...]] = {}

    @cached_property
    def extent(self) -> Extent:
        """How many polls and bytes the run has."""
        return measure(self.seen)

    def is_new_to(self, oracle: str) -> bool:
        """Say whether an oracle counts the run for the first time: many cases may share it."""
        is_new = oracle not in self._counted
        self._counted.add(oracle)
        return is_new

    def ask_guards(
        self, layers: int | None, unasked: AbstractSet[str]
    ) -> Iterator[tuple[str, tuple[Finding, ...]]]:
        """Let all guards but some judge the run; `layers` of the canary search, None without."""
        for guard in GUARDS:
            if guard not in unasked:
                yield guard, self._ask(guard, 0)
        if layers is not None and CANARIES not in unasked:
            yield CANARIES, self._ask(CANARIES, layers)

    def _ask(self, guard: str, layers: int) -> tuple[Finding, ...]:
        said = self._said.get((guard, layers))
        if said is None:
            said = self._said[guard, layers] = (
                judge_canaries(self.seen, self.setting, layers)
                if guard == CANARIES
                else GUARDS[guard](self.seen, self.setting.public)
            )
        return said


class Runs:
    """Makes runs of one client, and remembers the last few with which others are compared."""

    def __init__(self, factory: Factory) -> None:
        self._factory = factory
        self._kept: deque[Run] = deque(maxlen=_REMEMBERED)

    def usual(self, setting: Setting) -> Run:
        """Return the run of a setting; of one setting, which is one object, the same run."""
        for run in self._kept:
            if run.setting is setting:
                return run
        run = self.another(setting)
        self._kept.append(run)
        return run

    def another(self, setting: Setting) -> Run:
        """Run the client anew."""
        return Run(self._factory, setting)
