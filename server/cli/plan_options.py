"""Options for a rollout plan: which share of the fleet is reached at which time."""

import contextlib
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import wraps
from itertools import pairwise
from typing import Any

import click
import msgspec

from server.cli.options import now
from server.core.errors import FormatError
from server.release.rollouts.plan import (
    LATE_SECONDS,
    WEEKDAYS,
    Calendar,
    Plan,
    Stage,
    Weekday,
    Window,
)

SHARE = click.option(
    "--share", default="", help="Share of the fleet from now on, such as 0.5% or 100%."
)
TIMES = click.option("--at", "times", multiple=True, help="TIME=SHARE; give it once for each step.")
STAGES = click.option(
    "--stage",
    "stages",
    multiple=True,
    help="SHARE=HOLD, such as 1%=2d (m, h or d); the last stage is only a SHARE. Repeatable.",
)
START = click.option("--start", default="", help="When the first stage begins.  [default: now]")
ZONE = click.option("--zone", default="", help="Time zone of the windows, such as Asia/Jakarta.")
WINDOWS = click.option(
    "--window",
    "windows",
    multiple=True,
    help="When a stage may begin, such as 'mon-thu 09:00-17:00'; may be repeated.",
)
_SHARE = re.compile(r"([0-9]{1,3})(?:\.([0-9]))?%")
_HOLD = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}
_WINDOW = re.compile(r"([a-z,-]+) ([0-9:]+)-([0-9:]+)")


def plan_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a plan to a command, which gets them as `plan`."""

    @wraps(command)
    def run(
        *arguments: Any,
        share: str,
        times: tuple[str, ...],
        stages: tuple[str, ...],
        start: str,
        zone: str,
        windows: tuple[str, ...],
        **options: Any,
    ) -> Any:  # noqa: ANN401 - what the command returns
        if stages and (share or times):
            raise click.UsageError("--stage gives the whole plan: leave out --share and --at.")
        if not stages and (start or zone or windows):
            raise click.UsageError("--start, --zone and --window go with --stage.")
        plan = _staged(stages, start, zone, windows) if stages else _timed(share, times)
        return command(*arguments, plan=plan, **options)

    for option in (WINDOWS, ZONE, START, STAGES, TIMES, SHARE):
        run = option(run)
    return run


def parse_moment(text: str) -> int:
    """Return a time with zone as epoch seconds; any other text is a usage error."""
    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return int(moment.timestamp())
    raise click.UsageError(f"{text[:40]!r} is not a time with zone, such as 2026-12-01T06:00Z.")


def _timed(share: str, times: tuple[str, ...]) -> Plan:
    """Return the plan of `--share` and `--at`; the span between two times is a stage's hold."""
    present = int(now().timestamp())
    pairs = [(present, _permille(share))] if share else []
    for text in times:
        moment, _, part = text.partition("=")
        start = parse_moment(moment)
        if start < present - LATE_SECONDS:  # it would apply immediately
            raise FormatError(f"{moment} is in the past; for a share from now on use --share.")
        pairs.append((start, _permille(part)))
    if not pairs:
        raise click.UsageError("give a share of the fleet: --share 1% or --at TIME=1%.")
    stages = [
        Stage(permille, after - start)
        for (start, permille), (after, _) in pairwise(pairs)
        if after > start
    ]
    if len(stages) != len(pairs) - 1:
        raise FormatError("the times of the steps are not ascending: give them in order.")
    is_now = bool(share) and len(pairs) == 1
    return _make([*stages, Stage(pairs[-1][1])], None if is_now else pairs[0][0], None)


def _staged(stages: tuple[str, ...], start: str, zone: str, windows: tuple[str, ...]) -> Plan:
    if bool(zone) != bool(windows):
        raise click.UsageError("--zone and --window go together.")
    calendar = Calendar(zone, [_window(text) for text in windows]) if windows else None
    parsed = [_stage(text) for text in stages]
    return _make(parsed, parse_moment(start) if start else None, calendar)


def _make(stages: Sequence[Stage], start: int | None, calendar: Calendar | None) -> Plan:
    try:
        return Plan(list(stages), start, calendar)
    except ValueError as error:
        raise FormatError(f"the plan is invalid: {error}.") from error


def _stage(text: str) -> Stage:
    share, mark, hold = text.partition("=")
    match = _HOLD.fullmatch(hold)
    if mark and match is None:
        raise click.UsageError(f"{hold[:16]!r} is not a duration, such as 30m, 12h or 2d.")
    return Stage(_permille(share), 0 if match is None else int(match[1]) * _SECONDS[match[2]])


def _window(text: str) -> Window:
    match = _WINDOW.fullmatch(text)
    days = [] if match is None else [day for part in match[1].split(",") for day in _days(part)]
    if match is not None:
        members = {"days": days, "start": match[2], "until": match[3]}
        with contextlib.suppress(msgspec.ValidationError):
            return msgspec.convert(members, Window)
    raise click.UsageError(f"{text[:40]!r} is not a window, such as 'mon-thu 09:00-17:00'.")


def _days(part: str) -> Sequence[Weekday]:
    first, mark, last = part.partition("-")
    known = {str(day): number for number, day in enumerate(WEEKDAYS)}
    if first not in known or (mark and last not in known):
        return []
    return WEEKDAYS[known[first] : known[last if mark else first] + 1]


def _permille(text: str) -> int:
    match = _SHARE.fullmatch(text)
    permille = 1001 if match is None else int(match[1]) * 10 + int(match[2] or 0)
    if permille > 1000:
        raise click.UsageError(f"{text[:16]!r} is not a share: write 0% to 100%, such as 0.5%.")
    return permille
