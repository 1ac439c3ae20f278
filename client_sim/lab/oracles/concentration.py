"""Phase concentration: whether one device's polls prefer a place in the hour or in the interval.

The public schedule has no grid: each interval is uniform over 14401 whole seconds, so that modulo
any divisor of 14400 the time of each poll is as good as independent of the one before. A device
with a phase of its own in the day, the hour or the minute has one modulo such a divisor too.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from client_sim.lab.oracles.chance import tail_of_rayleigh
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.timing import Interval, decode_intervals
from client_sim.lab.trace.observation import Channel, Observation

PERIODS: Final = (60, 900, 3600, 7200, 14_400)
"""Seconds; divisors of the width of an interval's range."""
_WIDTH: Final = 14_401  # values of an interval


@dataclass(frozen=True, slots=True)
class Concentration:
    """How far the phases of one device lie together: `length` is R, from 0 to 1.

    `of` says what was examined, `chance` how likely a clean client is as concentrated.
    """

    of: str
    length: float
    count: int
    chance: float


def measure_concentration(intervals: Sequence[Interval]) -> tuple[Concentration, ...]:
    """Measure the times of polls modulo each period, and the intervals within their range."""
    return (
        *(
            _measure(f"polls modulo {period} s", (i.due for i in intervals), period)
            for period in PERIODS
        ),
        _measure("intervals", (interval.seconds for interval in intervals), _WIDTH),
    )


def judge_concentration(observation: Observation, alpha: float = 1e-9) -> tuple[Finding, ...]:
    """Find a phase that a device keeps; `alpha` is the chance of an alarm on a clean one.

    The threshold for R follows from the number of polls, by Rayleigh's test; each of the six
    statistics alarms at alpha / 6. For alpha = 1e-9 it is 0.701 in 40 polls, 0.462 in 100 and 0.236
    in 400; fewer than 15 never alarm. In 300 clean devices the largest R were 0.416, 0.291 and
    0.147. A phase that is drawn once has R = 1. One that wobbles by a normal deviate of so much of
    its period is found in so many of 100 devices:

    | wobble | 40 polls | 100 polls | 400 polls |
    | --- | --- | --- | --- |
    | 10 % | 100 | 100 | 100 |
    | 15 % | 18 | 100 | 100 |
    | 20 % | 0 | 58 | 100 |
    """
    intervals = decode_intervals(observation)
    if not intervals:
        return ()
    measured = measure_concentration(intervals)
    return tuple(
        Finding(
            where=Channel.SCHEDULE.value,
            explanation=(
                f"{found.of} of one device lie together: R = {found.length:.3f} over "
                f"{found.count} polls, which uniform draws (FORMATS section 9) make with a chance "
                f"of {found.chance:.1g}"
            ),
            data=(data := b" ".join(b"%d" % i.due for i in intervals)),
            offset=0,
            length=len(data),
            channel=Channel.SCHEDULE.value,
            field="interval",
        )
        for found in measured
        if found.chance < alpha / len(measured)
    )


def _measure(of: str, times: Iterable[float], period: int) -> Concentration:
    angles = [2 * math.pi * (time % period) / period for time in times]
    length = math.hypot(math.fsum(map(math.cos, angles)), math.fsum(map(math.sin, angles)))
    count = len(angles)
    return Concentration(of, length / count, count, tail_of_rayleigh(length, count))
