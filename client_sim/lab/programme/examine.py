"""The examination of a client over any world: many runs, every oracle, one result."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from client_sim.lab.oracles import judging as oracles
from client_sim.lab.oracles.canary import CanarySearch
from client_sim.lab.oracles.equality import Difference, find_differences
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.formula import judge_formula
from client_sim.lab.programme.result import BatteryResult, ProgrammeResult
from client_sim.lab.scenarios.driving import POLL, Scenario, run_scenario
from client_sim.lab.trace.observation import Channel, Observation
from client_sim.lab.trace.worlds import DrivenWorld
from client_sim.persona import Persona, canaries
from client_sim.world import Factory, Public

START: Final = 1_767_225_600.0
APART: Final = 61
"""Seconds between the starts of two phones of the fleet."""

_KEPT: Final = 8  # findings kept per check: enough to act on, little enough to read


@dataclass(frozen=True, slots=True)
class Run:
    """What a world is made for: an owner, a seed of the randomness, the time at the start."""

    personal: Persona
    entropy: bytes
    start: float


MakeWorld = Callable[[Run], DrivenWorld]


def examine(
    factory: Factory,
    make_world: MakeWorld,
    personas: Sequence[Persona],
    scenario: Scenario,
    *,
    name: str,
    start: float = START,
    layers: int = 2,
    profile: str = "memory",
    seed: int = 0,
) -> ProgrammeResult:
    """Run a client for every persona and put all questions to what left it.

    Each persona gets two runs: one with the randomness and clock that all share (nothing may
    differ), one with its own (the octets may not differ). The first persona's is run once more.
    At least two personas are needed; `layers` is the depth of the canary search.
    """
    if len(personas) < 2:
        raise ValueError("equality needs two personas or more")

    def run(persona: Persona, entropy: bytes, at: float) -> Observation:
        return run_scenario(factory, make_world(Run(persona, entropy, at)), scenario, persona)

    shared = [run(persona, b"shared", start) for persona in personas]
    again = run(personas[0], b"shared", start)
    fleet = [
        run(persona, b"own %d" % place, start + APART * place)
        for place, persona in enumerate(personas)
    ]
    everything = [*shared, again, *fleet]
    public = make_world(Run(personas[0], b"", start)).public
    return ProgrammeResult(
        client=name,
        profile=profile,
        seed=seed,
        runs=len(everything),
        polls=len(everything) * scenario.steps.count(POLL),
        octets=_count_octets(everything),
        batteries=tuple(_checks(personas, shared, again, fleet, public, layers)),
        sample=shared[0],
        intervals=tuple(interval for seen in fleet for interval in list_intervals(seen)),
        scope=f"{scenario.name}, {len(personas)} owners",
        owners=tuple(personas),
        answers_agree=len({_answers(seen) for seen in everything}) == 1,
    )


def list_intervals(seen: Observation) -> tuple[float, ...]:
    """Give the seconds from each poll of a run to the time at which the next is due."""
    return tuple(
        float(departure.octets) - departure.at
        for departure in seen.departures
        if departure.channel is Channel.SCHEDULE
    )


def _checks(
    personas: Sequence[Persona],
    shared: Sequence[Observation],
    again: Observation,
    fleet: Sequence[Observation],
    public: Public,
    layers: int,
) -> Iterator[BatteryResult]:
    everything = [*shared, again, *fleet]
    yield _check(
        ("completes", "guard"),
        "Does every poll reach the server, and does the client survive the scenario?",
        everything,
        [oracles.judge_completion(seen, public) for seen in everything],
    )
    yield _check(
        ("determinism", "N1"),
        "Do two runs of the same phone leave the same trace, with no unexplained randomness?",
        [shared[0], again],
        [_judge_difference(shared[0], again, "a second run of the same phone", with_time=True)],
    )
    yield _check(
        ("grammar", "guard"),
        "Is every octet in the request table?",
        everything,
        [oracles.judge_grammar(seen, public) for seen in everything],
    )
    yield _check(
        ("personal", "N1"),
        "Do phones of different owners leave the same trace, to the octet and the second?",
        shared,
        [
            _judge_difference(shared[0], other, f"owner {place}", with_time=True)
            for place, other in enumerate(shared[1:], 2)
        ],
    )
    yield _check(
        ("fleet", "N2"),
        "Do phones with different randomness and clocks send the same octets?",
        fleet,
        [
            _judge_difference(fleet[0], other, f"phone {place}", with_time=False)
            for place, other in enumerate(fleet[1:], 2)
        ],
    )
    yield _check(
        ("schedule", "N4"),
        "Does the time of each poll follow from fresh randomness, with silence in between?",
        everything,
        [(*oracles.judge_schedule(seen), *judge_formula(seen)) for seen in everything],
    )
    yield _check(
        ("canaries", "guard"),
        "Is any planted value to be found, through encodings, digests and compression?",
        shared,
        [
            oracles.judge_canaries(seen, _search_for(persona, layers))
            for persona, seen in zip(personas, shared, strict=True)
        ],
    )
    yield _check(
        ("tripwire", "guard"),
        "Does polling leave the owner's data unread?",
        everything,
        [oracles.judge_reads(seen) for seen in everything],
    )
    yield _check(
        ("egress", "guard"),
        "Is the host of the ROM image the only one asked for and talked to?",
        everything,
        [oracles.judge_egress(seen, public) for seen in everything],
    )
    if shared[0].far_end is not None:
        yield _check(
            ("both ends", "guard"),
            "Did the other end of each socket receive what the client sent, and nothing else?",
            everything,
            [oracles.judge_far_end(seen) for seen in everything],
        )


@lru_cache(maxsize=8)
def _search_for(persona: Persona, layers: int) -> CanarySearch:
    """Compute the tokens of a persona once for all clients that are examined with it."""
    return CanarySearch(canaries(persona), layers)


def _check(
    named: tuple[str, str],
    question: str,
    seen: Sequence[Observation],
    judged: Iterable[Sequence[Finding]],
) -> BatteryResult:
    cases = list(judged)
    findings = [finding for case in cases for finding in case]
    # Eight times the same sentence teaches less than eight different ones.
    first = {finding.explanation: finding for finding in reversed(findings)}
    telling = [finding for finding in findings if first[finding.explanation] is finding]
    again = [finding for finding in findings if first[finding.explanation] is not finding]
    oracle, claim = named
    return BatteryResult(
        oracle=oracle,
        claim=claim,
        question=question,
        cases=len(cases),
        runs=len(seen),
        polls=sum(_count_polls(each) for each in seen),
        octets=_count_octets(seen),
        findings=tuple([*telling, *again][:_KEPT]),
        count=len(findings),
    )


def _count_polls(seen: Observation) -> int:
    return sum(departure.channel is Channel.SCHEDULE for departure in seen.departures)


def _count_octets(seen: Iterable[Observation]) -> int:
    return sum(len(connection.octets) for each in seen for connection in each.connections())


def _judge_difference(
    one: Observation, other: Observation, whose: str, *, with_time: bool
) -> tuple[Finding, ...]:
    return tuple(
        _finding_of(difference, whose)
        for difference in find_differences(one, other, with_time=with_time)
    )


def _finding_of(difference: Difference, whose: str) -> Finding:
    longest = max(len(difference.first), len(difference.second)) - difference.offset
    return Finding(
        where=f"{difference.channel}, {difference.where}",
        explanation=f"{whose} shows something else from octet {difference.offset} on",
        octets=difference.first,
        offset=difference.offset,
        length=min(longest, 32),
        other=difference.second,
    )


def _answers(observation: Observation) -> bytes:
    """Give what the server answered, but for the date in its heads."""
    received = [
        octets
        for octets, connection in zip(observation.received, observation.connections(), strict=True)
        if connection.phase.startswith(POLL)
    ]
    return re.sub(rb"\r\nDate: [^\r]*", b"", b"\x00".join(received))
