"""Runs of a client, the guards that judge them, and the tally of findings.

A guard judges every single run, whichever battery it belongs to.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Final

from client_sim.lab.oracles import judging
from client_sim.lab.oracles.again import judge_again
from client_sim.lab.oracles.canary import CanarySearch
from client_sim.lab.oracles.connections import judge_ends, judge_tls, judge_writes
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.setting import Setting, observe
from client_sim.lab.scenarios.driving import POLL
from client_sim.lab.trace.observation import Channel, Observation
from client_sim.persona import Persona, canaries
from client_sim.world import Factory, Public

QUESTIONS: Final = {
    "completes": "Does every poll reach the server, and does the client survive the run?",
    "grammar": "Is every byte in the request table?",
    "again": "Is nothing requested again that was completely received and accepted?",
    "schedule": "Is nothing sent between polls, and is each interval in the allowed range?",
    "canaries": "Is no planted value found, through encodings, digests and compression?",
    "tripwire": "Does polling leave the owner's data unread?",
    "writes": "Is each request one write, and with TLS one record?",
    "ends": "Is each connection closed in order, and never reset?",
    "tls": "Does TLS name one host and one protocol, and never resume a session?",
    "egress": "Is the host in the ROM image the only one resolved and contacted?",
}
"""The questions of the guards, by the guard's column in the kill matrix."""

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
"""The guards that need only a run and its phone; the canary search also needs the owner."""
_STORED_FINDINGS: Final = 8  # findings kept per oracle, so that reports stay short
Extent = tuple[int, int]
"""The number of polls in a run, and the number of bytes sent."""
Place = tuple[int, int]
"""The index of a battery in a plan, and the number of one of its cases."""
_CACHED_RUNS: Final = 4


def judge_run(
    guard: str, observation: Observation, setting: Setting, layers: int
) -> tuple[Finding, ...]:
    """Apply one guard to a run; the canary search undoes up to `layers` layers of encoding."""
    if guard != CANARIES:
        return GUARDS[guard](observation, setting.public)
    search = _deep_search(setting.personal, layers) if layers else _plain_search(setting.personal)
    return judging.judge_canaries(observation, search)


# A deep search takes a second for each owner and is made for few of them.
@lru_cache(maxsize=16)
def _plain_search(persona: Persona) -> CanarySearch:
    return CanarySearch(canaries(persona), 0)


@lru_cache(maxsize=24)  # the first cases of all batteries have the same owners
def _deep_search(persona: Persona, layers: int) -> CanarySearch:
    return CanarySearch(canaries(persona), layers)


@dataclass(slots=True)
class Tally:
    """What one oracle examined and found; keeps the first findings with distinct explanations.

    `places` says where each of these findings was made.
    """

    cases: int = 0
    runs: int = 0
    polls: int = 0
    size: int = 0
    count: int = 0
    findings: list[Finding] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)

    def add(self, place: Place, runs: Iterable[Extent], findings: Iterable[Finding]) -> None:
        """Count the case at `place`, the runs that are new to it, and its findings."""
        self.cases += 1
        for polls, data in runs:
            self.runs += 1
            self.polls += polls
            self.size += data
        self._store((place, finding) for finding in findings)

    def merge(self, other: "Tally") -> None:
        """Add a tally of later cases."""
        self.cases += other.cases
        self.runs += other.runs
        self.polls += other.polls
        self.size += other.size
        stored = len(other.findings)
        self._store(zip(other.places, other.findings, strict=True))
        self.count += other.count - stored

    def _store(self, findings: Iterable[tuple[Place, Finding]]) -> None:
        for place, finding in findings:
            self.count += 1
            known = {each.explanation for each in self.findings}
            if len(self.findings) < _STORED_FINDINGS and finding.explanation not in known:
                self.findings.append(finding)
                self.places.append(place)


class Run:
    """A completed run; many cases may compare with it, but each guard judges it only once."""

    def __init__(self, factory: Factory, setting: Setting) -> None:
        self.setting = setting
        self.observation: Observation = observe(factory, setting)
        self._counted: set[str] = set()
        self._findings: dict[tuple[str, int], tuple[Finding, ...]] = {}

    @cached_property
    def extent(self) -> Extent:
        """The numbers of polls and sent bytes of the run."""
        polls = data = 0
        for departure in self.observation.departures:
            if departure.channel is Channel.SCHEDULE and departure.phase.startswith(POLL):
                polls += 1
            elif departure.channel is Channel.BYTES:
                data += len(departure.data)
        return polls, data

    def is_new_to(self, oracle: str) -> bool:
        """Return whether an oracle counts the run for the first time; cases may share a run."""
        is_new = oracle not in self._counted
        self._counted.add(oracle)
        return is_new

    def apply_guards(
        self, layers: int | None, skipped: AbstractSet[str]
    ) -> Iterator[tuple[str, tuple[Finding, ...]]]:
        """Apply all guards except `skipped`; `layers` None leaves out the canary search."""
        for guard in GUARDS:
            if guard not in skipped:
                yield guard, self._apply(guard, 0)
        if layers is not None and CANARIES not in skipped:
            yield CANARIES, self._apply(CANARIES, layers)

    def _apply(self, guard: str, layers: int) -> tuple[Finding, ...]:
        findings = self._findings.get((guard, layers))
        if findings is None:
            findings = judge_run(guard, self.observation, self.setting, layers)
            self._findings[guard, layers] = findings
        return findings


class Runs:
    """Makes runs of one client, and caches the last few with which others are compared."""

    def __init__(self, factory: Factory) -> None:
        self._factory = factory
        self._cache: deque[Run] = deque(maxlen=_CACHED_RUNS)

    def make_cached(self, setting: Setting) -> Run:
        """Return the run of a setting; the same setting object gives the cached run."""
        for run in self._cache:
            if run.setting is setting:
                return run
        run = self.make(setting)
        self._cache.append(run)
        return run

    def make(self, setting: Setting) -> Run:
        """Run the client without using the cache."""
        return Run(self._factory, setting)
