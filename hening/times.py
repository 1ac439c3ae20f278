"""Times as commands print them: in this machine's time zone, or in UTC with `--utc`."""

from datetime import UTC, datetime

import click

_KEY = "hening.times.utc"
_YEAR_10000 = 253_402_300_800


def _remember(context: click.Context, _option: click.Parameter, value: bool) -> None:
    context.meta[_KEY] = value


def use_utc() -> None:
    """Show times in UTC in the running command, for output that programs read."""
    click.get_current_context().meta[_KEY] = True


UTC_TIMES = click.option(
    "--utc",
    is_flag=True,
    expose_value=False,
    callback=_remember,
    help="Show times in UTC instead of this machine's time zone.",
)


def show_time(moment: datetime | int | None) -> str:
    """Return a moment, or epoch seconds, as date, time and zone; an empty string for None."""
    return "" if moment is None else f"{_choose_zone(moment):%Y-%m-%d %H:%M %Z}"


def show_day(seconds: int) -> str:
    """Return the date of epoch seconds."""
    return f"{_choose_zone(seconds):%Y-%m-%d}"


def show_second(moment: datetime | int) -> str:
    """Return date, time with seconds, and zone; epoch seconds outside the calendar as a number."""
    if isinstance(moment, int) and not 0 <= moment < _YEAR_10000:
        return f"{moment} s after 1970"
    return f"{_choose_zone(moment):%Y-%m-%d %H:%M:%S %Z}"


def _choose_zone(moment: datetime | int) -> datetime:
    if isinstance(moment, int):
        moment = datetime.fromtimestamp(moment, UTC)
    context = click.get_current_context(silent=True)
    is_utc = context is not None and context.meta.get(_KEY, False)
    try:
        return moment.astimezone(UTC if is_utc else None)
    except OverflowError:  # the last hours of the year 9999, east of Greenwich
        return moment
