"""The chart of a rollout: the reached shares of the phones, and the coming ones, over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from server.console.rendering import local_time
from server.release.rollouts.changes import ChangeView, State

Schedule = Sequence[tuple[int, int]]
"""Pairs of a time in epoch seconds and the permille from then on."""

MIN_SECONDS = 60  # the shortest time span of a chart
MIN_WIDTH = 1.0  # the smallest width of a bar in per cent, so that a new step is visible
LAST_STEP = 0.05  # part of the time span that is added after the last step, to make it visible
MAX_TICKS = 5  # as many labels fit side by side on a phone's screen
HOUR, DAY = 3600, 86_400
_DISTANCES = (
    *(60, 300, 900, 1800),
    *(HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR),
    *(DAY, 2 * DAY, 3 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY, 365 * DAY),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A step: its start in epoch seconds, its share, and whether it has begun."""

    start: int
    permille: int
    is_past: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """A share during a time: left edge, width and height in per cent of the chart."""

    x: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of the time axis; `x` is in per cent of the chart's width."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """A chart: bars for the reached and for the coming shares, and a line for now.

    `begin` and `end` are the times at the edges, in epoch seconds.
    """

    stages: tuple[Stage, ...]
    begin: int
    end: int
    past: tuple[Bar, ...]
    future: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    now: float

    @property
    def reached(self) -> int:
        """The reached permille."""
        return max((stage.permille for stage in self.stages if stage.is_past), default=0)

    @property
    def next(self) -> Stage | None:
        """The next step, if any."""
        coming = (stage for stage in self.stages if not stage.is_past)
        return next(coming, None) if self.future else None


def join_history(schedule: Schedule, changes: Sequence[ChangeView]) -> list[tuple[int, int]]:
    """Return a schedule together with the past steps of the schedules that it replaced.

    `changes` are those of the channel. Changes before the last offer concern another build and are
    ignored. Of a replaced schedule, only the steps count that began while it was public.
    """
    steps = dict(schedule)
    until: int | None = None
    done = [(c.finished_at, c) for c in changes if c.state == State.DONE and c.finished_at]
    for finished_at, change in sorted(done, key=lambda pair: pair[0], reverse=True):
        if until is not None:
            for step in change.schedule:
                if step.start <= until:
                    steps.setdefault(step.start, step.permille)
        until = finished_at
        if change.action == "offer":
            break
    return sorted(steps.items())


def draw(schedule: Schedule, now: int, *, is_frozen: bool = False) -> Timeline:
    """Return the chart of a schedule as it is at `now`.

    With `is_frozen`, for a paused or halted rollout, later steps are not drawn.
    """
    stages = tuple(Stage(start, permille, start <= now) for start, permille in schedule)
    reached = [(stage.start, stage.permille) for stage in stages if stage.is_past]
    coming = [(s.start, s.permille) for s in stages if not s.is_past and not is_frozen]
    begin = min(schedule[0][0], now)
    end = now
    if coming:
        end = coming[-1][0] + round((coming[-1][0] - begin) * LAST_STEP)
    end = max(end, begin + MIN_SECONDS)

    def across(moment: int) -> float:
        return round((moment - begin) * 100 / (end - begin), 2)

    def bars(steps: Schedule, until: int) -> tuple[Bar, ...]:
        edges = [*steps, (until, 0)]
        return tuple(
            bar(across(start), across(after), permille)
            for (start, permille), (after, _) in pairwise(edges)
            if permille
        )

    def bar(left: float, right: float, permille: int) -> Bar:
        left = max(0, min(left, right - MIN_WIDTH))
        return Bar(left, round(max(right - left, MIN_WIDTH), 2), permille / 10)

    level = reached[-1][1] if reached else 0
    future = bars([(now, level), *coming], end) if coming else ()
    ticks = tuple(Tick(across(at), label) for at, label in find_ticks(begin, end))
    return Timeline(stages, begin, end, bars(reached, now), future, ticks, across(now))


def find_ticks(begin: int, end: int) -> list[tuple[int, str]]:
    """Return round times from `begin` to `end` with labels, in the server's time zone.

    The times are multiples of a distance, counted from midnight. Labels are times of the day; at
    midnight they are dates, or months if the distance is 90 days or more.
    """
    distance = next(
        (each for each in _DISTANCES if (end - begin) / each <= MAX_TICKS), _DISTANCES[-1]
    )
    midnight = local_time(begin).replace(hour=0, minute=0, second=0, tzinfo=None)
    ticks = []
    moment = midnight
    while (at := int(moment.astimezone().timestamp())) <= end:
        if at >= begin:
            ticks.append((at, _label(moment, distance)))
        # Added without a zone, so that midnights are right even if the clock changes on a day.
        moment += timedelta(seconds=distance)
    return ticks


def _label(moment: datetime, distance: int) -> str:
    if distance >= 90 * DAY:
        return f"{moment:%Y-%m}"
    return f"{moment:%H:%M}" if moment.hour or moment.minute else f"{moment:%m-%d}"
