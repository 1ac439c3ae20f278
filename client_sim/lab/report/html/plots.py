"""Plots of the intervals between polls, compared with uniform draws.

The plots are a histogram, a circle and a cumulative curve.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import atan2, cos, hypot, log, pi, sin, sqrt
from typing import Final
from xml.etree.ElementTree import Element

from client_sim.pages.charts import draw, open_picture, write_picture

_WIDTH: Final = 320
_HEIGHT: Final = 210
_LEFT: Final = 34
_TOP: Final = 12
_BOTTOM: Final = 180
_RIGHT: Final = 310
_OUTERMOST: Final = 88.0  # radius of the circle's longest sector
_STEPS: Final = 96  # points of a curve
SHORTEST: Final = 14_400.0
LONGEST: Final = 28_800.0
"""Seconds: an interval is uniform between four and eight hours (FORMATS section 9)."""

BINS: Final = 16
"""Bins of a histogram: a quarter of an hour each."""

_ALPHA: Final = 1e-6  # the probability that uniform draws exceed a bound


@dataclass(frozen=True, slots=True)
class Intervals:
    """Measures of a series of intervals; they only describe it, the oracles judge.

    - `counts` are the numbers of intervals within the window, by bin; `outside` counts the others.
    - `distance` is the largest distance between the cumulative curve and the uniform one
      (Kolmogorov-Smirnov).
    - `concentration` is the length of the mean of all phases as points on a circle: 0 if they are
      spread evenly, 1 if they are equal. `direction` is its angle in radians.

    Uniform draws exceed a bound in one of a million series.
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
        """The number of intervals."""
        return sum(self.counts) + self.outside


def measure_intervals(intervals: Sequence[float]) -> Intervals | None:
    """Measure a series of intervals in seconds; None if there are none."""
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


def plot_histogram(measured: Intervals) -> str:
    """Draw the number of intervals in each quarter of an hour, and the expected number."""
    title = "Histogram of the intervals between polls, four to eight hours, beside a uniform one"
    picture = open_picture(title, _WIDTH, _HEIGHT)
    expected = sum(measured.counts) / BINS
    top = max(*measured.counts, expected * 1.25, 1)
    width = (_RIGHT - _LEFT) / BINS
    for place, count in enumerate(measured.counts):
        height = (_BOTTOM - _TOP) * count / top
        bar = draw(
            picture,
            "rect",
            class_="bar",
            x=_LEFT + place * width + 1,
            y=_BOTTOM - height,
            width=width - 2,
            height=height,
        )
        draw(bar, "title", f"{4 + place / 4:g} to {4.25 + place / 4:g} h: {count}")
    level = _BOTTOM - (_BOTTOM - _TOP) * expected / top
    draw(picture, "line", class_="expected", x1=_LEFT, x2=_RIGHT, y1=level, y2=level)
    draw(picture, "text", f"{expected:.3g}", x=_LEFT - 4, y=level + 4, text_anchor="end")
    _draw_hours(picture)
    return write_picture(picture)


def plot_circle(measured: Intervals) -> str:
    """Draw the intervals of the four-hour window as sectors of a circle, and their mean."""
    title = "Phases of the polls on a circle; an arrow from the centre would show a preferred time"
    picture = open_picture(title, _WIDTH, _HEIGHT)
    middle_x, middle_y, even = _WIDTH / 2, 102.0, 66.0
    expected = max(sum(measured.counts) / BINS, 1e-9)
    for place, count in enumerate(measured.counts):
        # The area of a sector is proportional to its count, up to the edge of the picture.
        radius = min(even * sqrt(count / expected), _OUTERMOST)
        start, stop = (_point(place / BINS, radius), _point((place + 1) / BINS, radius))
        path = (
            f"M{middle_x:.2f} {middle_y:.2f}"
            f"L{middle_x + start[0]:.2f} {middle_y + start[1]:.2f}"
            f"A{radius:.2f} {radius:.2f} 0 0 1 {middle_x + stop[0]:.2f} {middle_y + stop[1]:.2f}Z"
        )
        sector = draw(picture, "path", class_="bar sector", d=path)
        draw(sector, "title", f"{4 + place / 4:g} to {4.25 + place / 4:g} h: {count}")
    draw(picture, "circle", class_="expected", cx=middle_x, cy=middle_y, r=even)
    x, y = _point(measured.direction / (2 * pi), _OUTERMOST * measured.concentration)
    draw(picture, "line", class_="mean", x1=middle_x, y1=middle_y, x2=middle_x + x, y2=middle_y + y)
    draw(picture, "circle", class_="tip", cx=middle_x + x, cy=middle_y + y, r=3)
    for hours, share in (("4 h = 8 h", 0.0), ("5 h", 0.25), ("6 h", 0.5), ("7 h", 0.75)):
        x, y = _point(share, 96)
        anchor = {0.25: "start", 0.75: "end"}.get(share, "middle")
        below = {0.0: 4, 0.5: 8}.get(share, 4)
        draw(picture, "text", hours, x=middle_x + x, y=middle_y + y + below, text_anchor=anchor)
    return write_picture(picture)


def plot_cumulative(intervals: Sequence[float]) -> str:
    """Draw the cumulative distribution of the intervals, next to the uniform one."""
    picture = open_picture(
        "Cumulative curve of the intervals beside the straight line of a uniform draw",
        _WIDTH,
        _HEIGHT,
    )
    width, height = _RIGHT - _LEFT, _BOTTOM - _TOP
    draw(picture, "line", class_="expected", x1=_LEFT, y1=_BOTTOM, x2=_RIGHT, y2=_TOP)
    points = " ".join(
        f"{_LEFT + x * width:.2f},{_BOTTOM - y * height:.2f}"
        for x, y in cumulate(intervals, _STEPS)
    )
    draw(picture, "polyline", class_="curve", points=points)
    for share, label in ((0.0, "0"), (0.5, "½"), (1.0, "all")):
        y = _BOTTOM - share * height + 4
        draw(picture, "text", label, x=_LEFT - 5, y=y, text_anchor="end")
    _draw_hours(picture)
    return write_picture(picture)


def _draw_hours(picture: Element) -> None:
    draw(picture, "line", class_="axis", x1=_LEFT, x2=_RIGHT, y1=_BOTTOM, y2=_BOTTOM)
    for hours in range(4, 9):
        x = _LEFT + (_RIGHT - _LEFT) * (hours - 4) / 4
        anchor = "end" if hours == 8 else "middle"
        draw(picture, "text", f"{hours} h", x=x, y=_BOTTOM + 18, text_anchor=anchor)


def _point(share: float, radius: float) -> tuple[float, float]:
    """Return the offset of a point on the circle: clockwise from the top, y downwards."""
    angle = 2 * pi * share
    return radius * sin(angle), -radius * cos(angle)
