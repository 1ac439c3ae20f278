"""Statistical tests of many intervals: their bits, their spread, their order, and their phases.

They are for real clocks and for clients that are only observed from outside; under virtual time
`timing` is exact. FORMATS section 9 requires a uniform draw. Any other distribution is a finding,
even if it does not depend on the owner: the intervals of one phone cannot show that all phones draw
from the same distribution.

The public schedule has no grid. Each interval is uniform over 14401 whole seconds, so modulo any
divisor of 14400 the time of a poll is practically independent of the previous one. A device with
its own phase in the day, the hour or the minute also has a phase modulo such a divisor.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, variance
from typing import Final

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.timing import SHORTEST, Interval, decode_intervals
from client_sim.lab.trace.observation import Channel, Observation

_TERMS: Final = 101  # of Kolmogorov's series: far more than the precision of a float needs
_WIDTH: Final = 14_401  # whole seconds of the range
_PLANES: Final = 12
PERIODS: Final = (60, 900, 3600, 7200, 14_400)
"""Periods in seconds: divisors of the width of an interval's range."""


def tail_of_normal(z: float) -> float:
    """Return the probability that a standard normal deviate is as far from 0 as `z`, either way."""
    return math.erfc(abs(z) / math.sqrt(2))


def tail_of_chi_square(x: float) -> float:
    """Return the probability that chi-square with one degree of freedom is `x` or more."""
    return math.erfc(math.sqrt(x / 2))


def tail_of_kolmogorov(distance: float, effective: float) -> float:
    """Return the probability of a Kolmogorov-Smirnov distance of `distance` or more.

    `effective` is the size of the sample, or n m / (n + m) for two samples. Uses the limit
    distribution with the correction for small samples of Stephens (1970), which is accurate to a
    few per cent from 8 values on.
    """
    root = math.sqrt(effective)
    x = (root + 0.12 + 0.11 / root) * distance
    if x < 0.2:
        return 1.0
    signed = ((-1) ** (j - 1) * math.exp(-2 * (j * x) ** 2) for j in range(1, _TERMS))
    return min(1.0, 2 * math.fsum(signed))


def tail_of_rayleigh(length: float, count: int) -> float:
    """Return the probability that `count` independent unit vectors add up to `length` or more.

    Uses the approximation of Rayleigh's test in Zar, Biostatistical Analysis, section 27.1.
    """
    return math.exp(math.sqrt(1 + 4 * count + 4 * (count**2 - length**2)) - 1 - 2 * count)


def find_distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the largest distance between two empirical distributions."""
    ours, theirs = sorted(one), sorted(other)
    return max(
        abs(bisect_right(ours, value) / len(ours) - bisect_right(theirs, value) / len(theirs))
        for value in {*ours, *theirs}
    )


def find_welch(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Welch's t; nan if neither sample varies and both means are the same."""
    difference = fmean(one) - fmean(other)
    spread = math.sqrt(variance(one) / len(one) + variance(other) / len(other))
    if not spread:
        return math.copysign(math.inf, difference) if difference else math.nan
    return difference / spread


def find_bit_planes(seconds: Sequence[float]) -> tuple[float, ...]:
    """Return chi-square of each of the bits 0 to 11 of the intervals minus the shortest allowed.

    The range is not a power of two, so a bit is not set in exactly half of it.
    """
    values = [math.floor(interval - SHORTEST) for interval in seconds]
    return tuple(_plane(values, plane) for plane in range(_PLANES))


def find_spread(seconds: Sequence[float]) -> float:
    """Return the Kolmogorov-Smirnov distance of the intervals from the uniform distribution."""
    count = len(seconds)
    return max(
        max((place + 1) / count - share, share - place / count)
        for place, value in enumerate(sorted(seconds))
        for share in (min(1.0, max(0.0, (math.floor(value - SHORTEST) + 0.5) / _WIDTH)),)
    )


def find_runs(seconds: Sequence[float]) -> float:
    """Return the deviate of the number of runs above and below the median (Wald and Wolfowitz).

    Below 0 similar intervals follow each other, above 0 they alternate; nan if all are equal.
    """
    median = sorted(seconds)[len(seconds) // 2]
    sides = [value > median for value in seconds if value != median]
    above = sum(sides)
    below = len(sides) - above
    if not above or not below:
        return math.nan
    total, product = len(sides), 2 * above * below
    expected = product / total + 1
    variance = product * (product - total) / (total**2 * (total - 1))
    runs = 1 + sum(one != other for one, other in pairwise(sides))
    return (runs - expected) / math.sqrt(variance) if variance else math.nan


def judge_distribution(seconds: Sequence[float], alpha: float = 1e-9) -> tuple[Finding, ...]:
    """Find intervals that are not uniform, or not independent of the one before.

    `alpha`, the chance of a false alarm, is divided: one half for the twelve bits, a quarter each
    for spread and runs. There was no alarm in 3,000 clean samples of 20 to 500. Intervals needed
    for an alarm at alpha = 1e-9, with the number of alarms in 100 samples:

    | effect | intervals |
    | --- | --- |
    | one bit never changes | 50 (100) |
    | the same in half of the polls | 200 (78), 300 (100) |
    | the same in a fifth of the polls | 1,500 (88), 2,000 (100) |
    | range narrower by a fifth | 1,000 (51), 2,000 (100) |
    | range narrower by a twentieth | 16,000 (7) |
    | range shifted by a twentieth | 5,000 (100) |
    | every second interval in the half of the one before | 200 (27), 300 (84) |
    | every fifth | 1,500 (84), 2,000 (97) |
    """
    if not seconds:
        return ()
    found = [
        (f"bit {plane} of the intervals", statistic, tail_of_chi_square(statistic) * 2 * _PLANES)
        for plane, statistic in enumerate(find_bit_planes(seconds))
    ]
    distance = find_spread(seconds)
    found.append(("spread", distance, tail_of_kolmogorov(distance, len(seconds)) * 4))
    runs = find_runs(seconds)
    # If runs cannot be counted, the chance is nan, and no comparison with it is true.
    found.append(("number of runs", runs, tail_of_normal(runs) * 4))
    return tuple(_findings(found, seconds, alpha))


def _plane(values: Sequence[int], plane: int) -> float:
    block = 1 << plane
    whole, rest = divmod(_WIDTH, 2 * block)
    share = (whole * block + max(0, rest - block)) / _WIDTH
    expected = len(values) * share
    ones = sum(value >> plane & 1 for value in values)
    return (ones - expected) ** 2 / (expected * (1 - share))


def _findings(
    found: Sequence[tuple[str, float, float]], seconds: Sequence[float], alpha: float
) -> Iterator[Finding]:
    data = b" ".join(b"%d" % interval for interval in seconds)
    for name, statistic, chance in found:
        if chance < alpha:
            yield Finding(
                where=Channel.SCHEDULE.value,
                explanation=(
                    f"{name} of {len(seconds)} intervals is not that of fresh uniform draws, which"
                    f" FORMATS section 9 requires: statistic {statistic:.4g}, chance {chance:.1g}"
                ),
                data=data,
                offset=0,
                length=len(data),
                channel=Channel.SCHEDULE.value,
                field="interval",
            )


@dataclass(frozen=True, slots=True)
class Concentration:
    """The concentration of a device's phases: `length` is R, from 0 to 1.

    `of` names the times examined. `chance` is the probability that a clean client reaches R.
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
    """Find a phase that a device keeps; `alpha` is the chance of an alarm on a clean device.

    Rayleigh's test gives the threshold for R from the number of polls; each of the six statistics
    raises an alarm at alpha / 6. For alpha = 1e-9 the threshold is 0.701 for 40 polls, 0.462 for
    100 and 0.236 for 400; fewer than 15 never raise an alarm. In 300 clean devices the largest R
    were 0.416, 0.291 and 0.147. A phase that is drawn once has R = 1. Detected devices of 100 whose
    phase varies with a standard deviation in per cent of the period:

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
                f"{found.of} of one device are concentrated: R = {found.length:.3f} over "
                f"{found.count} polls; uniform draws (FORMATS section 9) reach it with a chance of "
                f"{found.chance:.1g}"
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
