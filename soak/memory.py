"""Whether memory grows: a straight line through what was measured, and how sure it is. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

MINUTE = 60.0
#: Bytes a minute that count as growth: 1 MB an hour and more would be seen in a longer run.
LIMIT = 256 * 1024
LEAST = 10  # measurements


@dataclass(frozen=True, slots=True)
class Slope:
    """Bytes a minute, and the standard error of that."""

    size: float
    error: float

    @property
    def is_flat(self) -> bool:
        """Answer whether it cannot be told from a line that does not rise by more than LIMIT."""
        return self.size - 2 * self.error <= LIMIT


def fit_slope(points: Sequence[tuple[float, int]]) -> Slope | None:
    """Return the least-squares line's slope through (seconds, bytes); None for too few points."""
    count = len(points)
    if count < LEAST:
        return None
    middle = sum(time for time, _ in points) / count
    mean = sum(size for _, size in points) / count
    spread = sum((time - middle) ** 2 for time, _ in points)
    slope = sum((time - middle) * (size - mean) for time, size in points) / spread
    rest = sum((size - mean - slope * (time - middle)) ** 2 for time, size in points)
    return Slope(slope * MINUTE, math.sqrt(rest / (count - 2) / spread) * MINUTE)
