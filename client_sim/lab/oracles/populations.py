"""How far apart two populations are: Kolmogorov and Smirnov, and Welch."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from statistics import fmean, variance


def find_distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the largest distance between two empirical distributions."""
    ours, theirs = sorted(one), sorted(other)
    return max(
        abs(bisect_right(ours, value) / len(ours) - bisect_right(theirs, value) / len(theirs))
        for value in {*ours, *theirs}
    )


def find_welch(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Welch's t; nan where neither population varies and both means are the same."""
    difference = fmean(one) - fmean(other)
    spread = math.sqrt(variance(one) / len(one) + variance(other) / len(other))
    if not spread:
        return math.copysign(math.inf, difference) if difference else math.nan
    return difference / spread
