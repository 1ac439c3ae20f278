"""N4 under virtual time, exact: each interval is drawn afresh and independent of the past.

A due time moves only if it has to, and nothing is sent between polls.

No check depends on a client's formula: a client that takes other random bytes, or turns them into
seconds otherwise than FORMATS section 9, is clean as long as DESIGN section 5 holds.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.trace.observation import Channel, Departure, Observation

SHORTEST: Final = 14_400.0  # seconds; DESIGN section 5
LONGEST: Final = 28_800.0
_FEWEST: Final = 3
"""Equal intervals that raise an alarm: by chance one in 14401 pairs is equal, three in 3e12."""
RESET: Final = "factory-reset"
"""The owner event that deletes a phone's due time."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The time after a poll: its end and the due time of the next poll, in epoch seconds."""

    poll: int
    at: float
    due: float

    @property
    def seconds(self) -> float:
        """The length in seconds."""
        return self.due - self.at

    def is_as_long_as(self, other: "Interval") -> bool:
        """Return whether both have the same length, within the precision of epoch seconds."""
        coarsest = max(math.ulp(self.due), math.ulp(other.due))
        return abs(self.seconds - other.seconds) <= 4 * coarsest


def decode_intervals(observation: Observation) -> tuple[Interval, ...]:
    """Return the intervals of a run, in order."""
    return tuple(
        Interval(int(d.phase.removeprefix("poll ")), d.at, float(d.data))
        for d in observation.departures
        if d.channel is Channel.SCHEDULE
    )


def decode_redraws(observation: Observation) -> dict[int, dict[str, Interval]]:
    """Return the due times drawn again between polls, by the poll before and by the step."""
    redraws: dict[int, dict[str, Interval]] = {}
    poll = 0
    for d in observation.departures:
        if d.channel is Channel.SCHEDULE:
            poll = int(d.phase.removeprefix("poll "))
        elif d.channel is Channel.DUE:
            redraws.setdefault(poll, {})[d.phase] = Interval(poll, d.at, float(d.data))
    return redraws


def judge_range(observation: Observation) -> tuple[Finding, ...]:
    """Find intervals that are shorter than four hours or longer than eight."""
    return tuple(
        _finding(i, f"the next poll comes {i.seconds:g} s later, not 4 to 8 hours later")
        for i in decode_intervals(observation)
        if not SHORTEST <= i.seconds <= LONGEST
    )


def judge_history(
    one: Observation, other: Observation, polls: Iterable[int]
) -> tuple[Finding, ...]:
    """Find intervals that depend on anything before the poll that they follow.

    The runs differ in randomness, or are of two phones. In and after each of `polls` both have the
    same randomness. If the same draw gives another interval, the phone has kept something: a phase
    that was drawn once, a number that the draw must fit, or a fixed hour. Due times that both runs
    draw again between polls, at the same steps, are compared, too.
    """
    return tuple(_history(one, other, frozenset(polls)))


def judge_freshness(
    pairs: Sequence[tuple[Observation, Observation]], poll: int
) -> tuple[Finding, ...]:
    """Find intervals that do not depend on the randomness of their own poll.

    The runs of each pair differ in the randomness of `poll` alone. An alarm needs three or more
    equal intervals, and more than half of all. Raises ValueError for fewer than three pairs.
    """
    if len(pairs) < _FEWEST:
        raise ValueError(f"freshness needs {_FEWEST} pairs or more")
    return _freshness(pairs, range(poll, poll + 1))


def judge_renewal(one: Observation, other: Observation, polls: range) -> tuple[Finding, ...]:
    """Find intervals that are the same in two runs with different randomness in all `polls`.

    An alarm needs as many as in `judge_freshness`. Raises ValueError for fewer than three polls.
    """
    if len(polls) < _FEWEST:
        raise ValueError(f"renewal needs {_FEWEST} polls or more")
    return _freshness([(one, other)], polls)


def _freshness(
    pairs: Sequence[tuple[Observation, Observation]], polls: range
) -> tuple[Finding, ...]:
    both = [
        (mine, theirs)
        for one, other in pairs
        for mine, theirs in product(_choose(one, polls), _choose(other, polls))
        if mine.poll == theirs.poll
    ]
    equal = [(mine, theirs) for mine, theirs in both if mine.is_as_long_as(theirs)]
    if len(equal) < _FEWEST or 2 * len(equal) <= len(both):
        return ()
    explanation = (
        f"{len(equal)} of {len(both)} intervals are the same with other randomness, "
        "so they are not drawn afresh"
    )
    return (_finding(equal[0][0], explanation, equal[0][1]),)


def _choose(observation: Observation, polls: range) -> tuple[Interval, ...]:
    return tuple(each for each in decode_intervals(observation) if each.poll in polls)


def _history(one: Observation, other: Observation, polls: frozenset[int]) -> Iterator[Finding]:
    ours = {interval.poll: interval for interval in decode_intervals(one)}
    theirs = {interval.poll: interval for interval in decode_intervals(other)}
    for poll in sorted(polls & (ours.keys() | theirs.keys())):
        mine, its = ours.get(poll), theirs.get(poll)
        if mine is None or its is None:
            there = mine or its
            assert there is not None
            yield _finding(there, f"only one of two runs has an interval after poll {poll}")
        elif not mine.is_as_long_as(its):
            yield _remembering(mine, its)
    again, anew = decode_redraws(one), decode_redraws(other)
    for poll in sorted(polls & again.keys() & anew.keys()):
        if again[poll].keys() == anew[poll].keys():
            for step, mine in again[poll].items():
                if not mine.is_as_long_as(anew[poll][step]):
                    yield _remembering(mine, anew[poll][step])


def _remembering(mine: Interval, its: Interval) -> Finding:
    return _finding(
        mine,
        f"the same randomness gives {mine.seconds:g} s and {its.seconds:g} s, "
        "so the interval also depends on something else",
        its,
    )


def _finding(interval: Interval, explanation: str, other: Interval | None = None) -> Finding:
    data = f"{interval.seconds:g}".encode()
    return Finding(
        where=f"{Channel.SCHEDULE.value}, poll {interval.poll}",
        explanation=explanation,
        data=data,
        offset=0,
        length=len(data),
        other=None if other is None else f"{other.seconds:g}".encode(),
        channel=Channel.SCHEDULE.value,
        field="interval",
    )


def judge_due(observation: Observation) -> tuple[Finding, ...]:
    """Find due times that a restart or an event moved, and new ones out of range.

    A phone may draw a new due time after a reset, or if the old one has passed or, because the
    clock was set back, is over eight hours ahead. The new one is 4 to 8 hours ahead, or has passed.
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
            yield _left(departure, f"the due time moved by {due - old:+g} s", "due time", old)
        elif ahead > 0 and not SHORTEST <= ahead <= LONGEST:
            words = f"the next poll comes {ahead:g} s later, not 4 to 8 hours later"
            yield _left(departure, words, "due time")


def _left(departure: Departure, explanation: str, field: str, old: float | None = None) -> Finding:
    return Finding(
        where=f"{departure.channel.value}, {departure.phase}",
        explanation=explanation,
        data=departure.data,
        offset=0,
        length=len(departure.data),
        other=None if old is None else repr(old).encode(),
        channel=departure.channel.value,
        field=field,
    )


def judge_silence(observation: Observation) -> tuple[Finding, ...]:
    """Find anything that is sent outside a poll."""
    return tuple(
        _left(d, "nothing may be sent between polls", "time")
        for d in observation.departures
        if d.channel not in {Channel.CRASH, Channel.DUE} and not d.phase.startswith("poll ")
    )
