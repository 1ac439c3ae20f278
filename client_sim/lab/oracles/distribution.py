"""Whether many intervals look random: their bits, their spread, their order.

For real clocks, and for clients that are only seen from outside; under virtual time `timing` is
exact and needs none of this. FORMATS section 9 has a uniform draw: any other one is a finding, even
if it depends on no owner, as one phone's intervals cannot show that all phones draw alike.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from client_sim.lab.oracles.chance import (
    tail_of_chi_square,
    tail_of_kolmogorov,
    tail_of_normal,
)
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.timing import SHORTEST
from client_sim.lab.trace.observation import Channel

_WIDTH: Final = 14_401  # whole seconds of the range
_PLANES: Final = 12


def find_bit_planes(seconds: Sequence[float]) -> tuple[float, ...]:
    """Return chi-square of each of bits 0 to 11 of the intervals, counted from their shortest.

    The range is no power of two, so that a bit is set in a share of it that is not one half.
    """
    values = [math.floor(interval - SHORTEST) for interval in seconds]
    return tuple(_plane(values, plane) for plane in range(_PLANES))


def find_spread(seconds: Sequence[float]) -> float:
    """Return the distance of Kolmogorov and Smirnov between intervals and the uniform range."""
    count = len(seconds)
    return max(
        max((place + 1) / count - share, share - place / count)
        for place, value in enumerate(sorted(seconds))
        for share in (min(1.0, max(0.0, (math.floor(value - SHORTEST) + 0.5) / _WIDTH)),)
    )


def find_runs(seconds: Sequence[float]) -> float:
    """Return the deviate of the number of runs above and below the median (Wald and Wolfowitz).

    Below 0 similar intervals follow each other, above they alternate; nan where all are equal.
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

    `alpha` is shared: a half for the twelve bits, a quarter each for spread and runs. No alarm
    in 3,000 clean samples of 20 to 500. For an alarm in so many of 100 samples it takes, at alpha =
    1e-9, so many intervals:

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
    # Where runs cannot be counted the chance is nan, which is less than nothing.
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
                    f" FORMATS section 9 asks for: statistic {statistic:.4g}, chance {chance:.1g}"
                ),
                data=data,
                offset=0,
                length=len(data),
                channel=Channel.SCHEDULE.value,
                field="interval",
            )
