"""A schedule as a picture: the share of the fleet over time, in the units of its drawing. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 1000, 100  # of the drawing; it is stretched to the page
MARGIN = 0.06  # of the time shown, before the first step and after the last
LEAST_SECONDS = 3600  # shown at least, so that a single step has a line to stand on


@dataclass(frozen=True, slots=True)
class Stage:
    """One step: when it begins, which share it reaches, whether it has begun."""

    start: int
    permille: int
    is_past: bool


@dataclass(frozen=True, slots=True)
class Timeline:
    """What is drawn: an area for what was reached, one for what is to come, and a line for now.

    `past` and `future` are the points of polygons. `begin` and `end` are the times at both edges.
    """

    stages: tuple[Stage, ...]
    begin: int
    end: int
    past: str
    future: str
    now: int

    @property
    def reached(self) -> int:
        """The permille that were reached."""
        return max((stage.permille for stage in self.stages if stage.is_past), default=0)

    @property
    def next(self) -> Stage | None:
        """The step that comes next, if one does."""
        coming = (stage for stage in self.stages if not stage.is_past)
        return next(coming, None) if self.future else None


def draw(schedule: Sequence[tuple[int, int]], now: int, *, is_frozen: bool = False) -> Timeline:
    """Return the picture of a schedule, pairs `(from, permille)`, as it is at `now`.

    Nothing is to come where it `is_frozen`, paused or halted, whatever times stand there.
    """
    stages = tuple(Stage(start, permille, start <= now) for start, permille in schedule)
    first = min(schedule[0][0], now)
    last = now if is_frozen else max(schedule[-1][0], now)
    margin = int(max(LEAST_SECONDS, (last - first) * MARGIN))
    begin, end = first - margin, last + margin

    def across(moment: int) -> int:
        return round((moment - begin) * WIDTH / (end - begin))

    reached = [stage for stage in stages if stage.is_past]
    coming = [] if is_frozen else [stage for stage in stages if not stage.is_past]
    level = max((stage.permille for stage in reached), default=0)
    past = _area([(across(s.start), s.permille) for s in reached], across(now))
    future = _area([(across(now), level), *((across(s.start), s.permille) for s in coming)], WIDTH)
    return Timeline(stages, begin, end, past, "" if is_frozen else future, across(now))


def _area(steps: Sequence[tuple[int, int]], until: int) -> str:
    """Return the points around the area below a staircase of `(x, permille)`, up to `until`."""
    if not steps:
        return ""
    points = [(steps[0][0], HEIGHT)]
    level = HEIGHT
    for x, permille in steps:
        points.append((x, level))
        level = HEIGHT - permille * HEIGHT // 1000
        points.append((x, level))
    points += [(until, level), (until, HEIGHT)]
    return " ".join(f"{x},{y}" for x, y in points)
