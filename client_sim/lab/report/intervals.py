"""The intervals between polls, compared with those that a phone may draw."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import atan2, cos, hypot, log, pi, sin, sqrt
from typing import Final

SHORTEST: Final = 14_400.0
LONGEST: Final = 28_800.0
"""Seconds: an interval is uniform between four and eight hours (FORMATS section 9)."""

BINS: Final = 16
"""Bins of a histogram: a quarter of an hour each."""

_ALPHA: Final = 1e-6  # bounds hold for all but one in a million series of uniform draws


@dataclass(frozen=True, slots=True)
class Intervals:
    """A series of intervals, measured; it describes, and the oracles judge.

    `counts` are those within the window by bin, `outside` all others. `distance` is the largest
    between the cumulative curve and the uniform one (Kolmogorov-Smirnov); `concentration` is the
    length of the mean of all phases as points of a circle, 0 where they are spread evenly and 1
    where all are the same, `direction` its angle in radians. Uniform draws stay below the bounds in
    all but one of a million series.
    """

    counts: tuple[int, ...]
    outside: int
    distance: float
    distance_bound: float
    concentration: float
    concentration_bound: float
    direction: float

    @property
    def total(self) -> int:
        """How many intervals there are."""
        return sum(self.counts) + self.outside


def measure_intervals(intervals: Sequence[float]) -> Intervals | None:
    """Measure a series of intervals in seconds; None where there are none."""
    if not intervals:
        return None
    shares = sorted((value - SHORTEST) / (LONGEST - SHORTEST) for value in intervals)
    within = [share for share in shares if 0 <= share <= 1]
    counts = [0] * BINS
    for share in within:
        counts[min(int(share * BINS), BINS - 1)] += 1
    number = len(shares)
    east = sum(cos(2 * pi * share) for share in shares) / number
    north = sum(sin(2 * pi * share) for share in shares) / number
    return Intervals(
        counts=tuple(counts),
        outside=number - len(within),
        distance=_distance(shares),
        distance_bound=sqrt(log(2 / _ALPHA) / (2 * number)),
        concentration=hypot(east, north),
        concentration_bound=sqrt(-log(_ALPHA) / number),
        direction=atan2(north, east),
    )


def cumulate(intervals: Sequence[float], steps: int) -> tuple[tuple[float, float], ...]:
    """Return the cumulative curve as (share of the window, share of the intervals) points."""
    ordered = sorted(intervals)
    edges = [SHORTEST + (LONGEST - SHORTEST) * step / steps for step in range(steps + 1)]
    return tuple(
        (step / steps, bisect_right(ordered, edge) / len(ordered))
        for step, edge in enumerate(edges)
    )


def _distance(shares: Sequence[float]) -> float:
    number = len(shares)
    clamped = [min(max(share, 0.0), 1.0) for share in shares]
    return max(
        max((place + 1) / number - share, share - place / number)
        for place, share in enumerate(clamped)
    )
