"""Real clocks: whether the duration of a poll distinguishes two owners.

Under virtual time timing is exact; what is left are the milliseconds of a real processor. They are
compared by statistics, in a battery and a file of their own: no test of it may alarm once in ten
million batteries, so it finds only effects that are large enough, and says how large.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Final

from client_sim.lab.oracles.distribution import (
    find_distance,
    find_welch,
    tail_of_chi_square,
    tail_of_kolmogorov,
    tail_of_normal,
)
from client_sim.lab.programme.result import WallClockRow

FAMILY: Final = 1e-7
"""The chance that any test of a battery alarms at a clean client."""

_PLANES: Final = 12  # lowest bits of the microseconds
_LEAST: Final = 100  # durations of each owner: below, the normal distribution is no guide


@dataclass(frozen=True, slots=True)
class Timed:
    """One poll on a real clock, in microseconds: until its first byte, and as a whole."""

    first: float
    whole: float


def compare_clocks(one: Sequence[Timed], other: Sequence[Timed]) -> tuple[WallClockRow, ...]:
    """Compare the polls of two owners by every test; ValueError for fewer than 100 of each.

    For both durations: Kolmogorov and Smirnov, Welch, and chi-square of each of the twelve lowest
    bits. The chance of the family is shared equally.
    """
    if min(len(one), len(other)) < _LEAST:
        raise ValueError(f"two owners need {_LEAST} polls or more each")
    measures: dict[str, Callable[[Timed], float]] = {
        "until the first byte": lambda timed: timed.first,
        "whole poll": lambda timed: timed.whole,
    }
    alpha = FAMILY / (len(measures) * (2 + _PLANES))
    return tuple(
        row
        for name, measure in measures.items()
        for row in _compare(name, [measure(t) for t in one], [measure(t) for t in other], alpha)
    )


def _compare(
    name: str, one: Sequence[float], other: Sequence[float], alpha: float
) -> list[WallClockRow]:
    samples = len(one) + len(other)
    effective = len(one) * len(other) / samples
    distance, t = find_distance(one, other), find_welch(one, other)
    deviate = _deviate(alpha)
    share = math.sqrt(-math.log(alpha / 2) / (2 * effective))
    shift = deviate * pstdev([*one, *other]) / math.sqrt(effective)
    rows = [
        WallClockRow(
            f"{name}: distribution",
            samples,
            distance,
            tail_of_kolmogorov(distance, effective),
            alpha,
            f"{share:.1%} of polls moved",
        ),
        WallClockRow(
            f"{name}: mean", samples, t, tail_of_normal(t), alpha, f"{shift:.3g} us later"
        ),
    ]
    bias = deviate / (2 * math.sqrt(effective))
    rows += [
        WallClockRow(
            f"{name}: bit {plane}",
            samples,
            found,
            tail_of_chi_square(found),
            alpha,
            f"a bit set {bias:.1%} more often",
        )
        for plane in range(_PLANES)
        for found in (_chi_square(one, other, plane),)
    ]
    return rows


def _chi_square(one: Sequence[float], other: Sequence[float], plane: int) -> float:
    """Return chi-square of a bit being set as often in both, with one degree of freedom."""
    ones = [sum(int(value) >> plane & 1 for value in values) for values in (one, other)]
    sizes = [len(one), len(other)]
    share = sum(ones) / sum(sizes)
    if not 0 < share < 1:
        return 0.0
    difference = ones[0] / sizes[0] - ones[1] / sizes[1]
    return difference**2 / (share * (1 - share) * (1 / sizes[0] + 1 / sizes[1]))


def _deviate(alpha: float) -> float:
    """Return the normal deviate that is exceeded either way with a chance of `alpha`."""
    low, high = 0.0, 40.0
    while high - low > 1e-6:
        middle = fmean((low, high))
        low, high = (middle, high) if tail_of_normal(middle) > alpha else (low, middle)
    return high
