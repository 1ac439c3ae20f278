"""Judges of cases that compare the first run with each other one."""

from collections.abc import Sequence
from dataclasses import replace

from client_sim.lab.oracles.equality import Difference, find_differences
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.scenarios.driving import POLL
from client_sim.lab.trace.observation import Observation


def judge_same_trace(seen: Sequence[Observation]) -> tuple[Finding, ...]:
    """Find where another run shows anything else than the first, times included."""
    return _compare(seen, with_time=True)


def judge_same_octets(seen: Sequence[Observation]) -> tuple[Finding, ...]:
    """Find where another run shows other octets than the first; times are its own."""
    return _compare(seen, with_time=False)


def judge_same_polls(seen: Sequence[Observation]) -> tuple[Finding, ...]:
    """Find where another run polls otherwise than the first, or leaves anything between polls."""
    return _compare([_without_quiet_steps(each) for each in seen], with_time=True)


def _without_quiet_steps(observation: Observation) -> Observation:
    """Rename what stands between polls, since steps are numbered and lives differ in their number.

    Nothing that left is taken out: what leaves between polls differs from silence.
    """
    renamed = tuple(
        d if d.phase.startswith(POLL) else replace(d, phase="between polls")
        for d in observation.departures
    )
    return replace(observation, departures=renamed)


def _compare(seen: Sequence[Observation], *, with_time: bool) -> tuple[Finding, ...]:
    first, *others = seen
    return tuple(
        _finding(difference, place)
        for place, other in enumerate(others, 2)
        for difference in find_differences(first, other, with_time=with_time)
    )


def _finding(difference: Difference, place: int) -> Finding:
    longest = max(len(difference.first), len(difference.second)) - difference.offset
    return Finding(
        where=f"{difference.channel}, {difference.where}",
        explanation=f"run {place} shows something else from octet {difference.offset} on",
        octets=difference.first,
        offset=difference.offset,
        length=min(longest, 32),
        other=difference.second,
    )
