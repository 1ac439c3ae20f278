"""Times as commands print them: in this machine's time zone, or in UTC with `--utc`."""

from datetime import UTC, datetime

import click

_KEY = "server.cli.times.utc"


def _remember(context: click.Context, _option: click.Parameter, value: bool) -> None:
    context.meta[_KEY] = value


UTC_TIMES = click.option(
    "--utc",
    is_flag=True,
    expose_value=False,
    callback=_remember,
    help="Show times in UTC instead of this machine's time zone.",
)


def show_time(seconds: int | None) -> str:
    """Return epoch seconds as date, time and zone; nothing for None."""
    return "" if seconds is None else f"{_local(seconds):%Y-%m-%d %H:%M %Z}"


def show_day(seconds: int) -> str:
    """Return the date of epoch seconds."""
    return f"{_local(seconds):%Y-%m-%d}"


def _local(seconds: int) -> datetime:
    moment = datetime.fromtimestamp(seconds, UTC)
    context = click.get_current_context(silent=True)
    is_utc = context is not None and context.meta.get(_KEY, False)
    return moment if is_utc else moment.astimezone()
