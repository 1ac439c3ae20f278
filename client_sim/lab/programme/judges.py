"""Judges of cases that compare the first run with each other one."""

from collections.abc import Sequence
from dataclasses import replace

from client_sim.lab.oracles.equality import judge_equality
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.scenarios.driving import POLL
from client_sim.lab.trace.observation import Observation


def judge_same_trace(seen: Sequence[Observation]) -> tuple[Finding, ...]:
    """Find where another run shows anything else than the first, times included."""
    return _compare(seen, with_time=True)


def judge_same_bytes(seen: Sequence[Observation]) -> tuple[Finding, ...]:
    """Find where another run shows other bytes than the first; times are its own."""
    return _compare(seen, with_time=False)


def judge_same_polls(seen: Sequence[Observation]) -> tuple[Finding, ...]:
    """Find where another run polls otherwise than the first, or leaves anything between polls."""
    return _compare([without_quiet_steps(each) for each in seen], with_time=True)


def without_quiet_steps(observation: Observation) -> Observation:
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
        finding
        for place, other in enumerate(others, 2)
        for finding in judge_equality(first, other, f"run {place}", with_time=with_time)
    )
