"""The due time of a phone that is asked for it again: it moves only where it has to."""

from collections.abc import Iterator
from typing import Final

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.timing import LONGEST, SHORTEST
from client_sim.lab.trace.observation import Channel, Departure, Observation

RESET: Final = "factory-reset"
"""The step after which a phone knows nothing of an earlier due time."""


def judge_due(observation: Observation) -> tuple[Finding, ...]:
    """Find due times that a restart or an event moved, and new ones out of range.

    A new due time is drawn after a reset, and where the old one has passed or, on a clock that was
    set back, lies over eight hours ahead. It then lies 4 to 8 hours ahead, or is over already.
    """
    return tuple(_moves(observation))


def _moves(observation: Observation) -> Iterator[Finding]:
    due = 0.0
    for departure in observation.departures:
        if departure.channel not in {Channel.SCHEDULE, Channel.DUE}:
            continue
        old, due = due, float(departure.data)
        if departure.channel is Channel.SCHEDULE:
            continue
        ahead = due - departure.at
        if not departure.phase.endswith(f" {RESET}") and 0 < old - departure.at <= LONGEST:
            yield _finding(departure, f"the due time moved by {due - old:+g} s", old)
        elif ahead > 0 and not SHORTEST <= ahead <= LONGEST:
            words = f"the next poll comes {ahead:g} s later, not 4 to 8 hours later"
            yield _finding(departure, words)


def _finding(departure: Departure, explanation: str, old: float | None = None) -> Finding:
    return Finding(
        where=f"{departure.channel.value}, {departure.phase}",
        explanation=explanation,
        data=departure.data,
        offset=0,
        length=len(departure.data),
        other=None if old is None else repr(old).encode(),
        channel=departure.channel.value,
        field="due time",
    )
