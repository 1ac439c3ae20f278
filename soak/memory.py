"""Detects memory growth: a line fitted through the measurements, with its error. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

MINUTE = 60.0
#: The maximum growth in bytes per minute. Less, down to 1 MB per hour, shows in a longer run.
LIMIT = 256 * 1024
LEAST = 10  # minimum number of measurements


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth in bytes per minute, and its standard error."""

    size: float
    error: float

    @property
    def is_flat(self) -> bool:
        """Whether the growth does not exceed LIMIT by more than two standard errors."""
        return self.size - 2 * self.error <= LIMIT


def fit_slope(points: Sequence[tuple[float, int]]) -> Slope | None:
    """Return the least-squares slope through (seconds, bytes), or None if points are too few."""
    count = len(points)
    if count < LEAST:
        return None
    middle = sum(time for time, _ in points) / count
    mean = sum(size for _, size in points) / count
    spread = sum((time - middle) ** 2 for time, _ in points)
    slope = sum((time - middle) * (size - mean) for time, size in points) / spread
    rest = sum((size - mean - slope * (time - middle)) ** 2 for time, size in points)
    return Slope(slope * MINUTE, math.sqrt(rest / (count - 2) / spread) * MINUTE)
