"""Options that several commands about a phone share, and their parsers."""

import datetime as dt
import ipaddress
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

from client_sim.clock import read_clock
from client_sim.device.conditions import MINUTES_OF_A_DAY, Conditions
from client_sim.device.image import is_host
from client_sim.device.release import REGION

FOLDER: Final = click.Path(file_okay=False, path_type=Path)
FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


def read_mappings(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, list[str]]:
    """Read `HOST=ADDRESS` texts; raises BadParameter."""
    mappings: dict[str, list[str]] = {}
    for value in values:
        host, _, address = value.partition("=")
        if not is_host(host) or not _is_address(address):
            raise click.BadParameter(f"{value} is not HOST=ADDRESS, such as a.example=127.0.0.1")
        mappings.setdefault(host, []).append(address)
    return mappings


def read_host(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Read a host name; raises BadParameter."""
    if not is_host(value):
        raise click.BadParameter(f"{value} is not a host name in lower case, such as a.example")
    return value


def read_region(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Read a region or a channel; raises BadParameter."""
    if not REGION.fullmatch(value):
        raise click.BadParameter(f"{value} is not 1 to 16 of a-z, 0-9 and -")
    return value


def read_minute(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> int | None:
    """Read a time of day such as 07:30 as minutes since midnight; raises BadParameter."""
    if value is None:
        return None
    return _parse_minute(value)


def read_quiet_hours(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    """Read hours such as 22:00-07:00; raises BadParameter."""
    if value is None:
        return None
    start, dash, end = value.partition("-")
    if not dash:
        raise click.BadParameter(f"{value} is not FROM-UNTIL, such as 22:00-07:00")
    return _parse_minute(start), _parse_minute(end)


def _parse_minute(text: str) -> int:
    found = _TIME.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"{text} is not a time of day, such as 07:30")
    return (int(found[1]) * 60 + int(found[2])) % MINUTES_OF_A_DAY


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


PHONE = click.option(
    "--phone", "folder", required=True, type=FOLDER, metavar="DIR", help="The phone's folder."
)
RESOLVE = click.option(
    "--resolve",
    multiple=True,
    callback=read_mappings,
    metavar="HOST=ADDRESS",
    help="The address of a name, in place of DNS; may be repeated.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_json(value: object) -> None:
    """Print a value as JSON for programs."""
    click.echo(json.dumps(value, indent=2, sort_keys=True))


def format_date(seconds: float) -> str:
    """Return epoch seconds as date and time in UTC, or as a number if no date can express them."""
    try:
        return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return str(seconds)


_OPTIONS: Final = (
    click.option(
        "--battery",
        default=100,
        type=click.IntRange(0, 100),
        metavar="PERCENT",
        help="The battery's charge.",
    ),
    click.option("--charging", is_flag=True, help="The phone is on its charger."),
    click.option("--metered", is_flag=True, help="The network is metered."),
    click.option(
        "--free",
        type=click.IntRange(min=0),
        metavar="BYTES",
        help="The free space on the phone's disk.  [default: what this machine has]",
    ),
    click.option(
        "--local-time",
        "minute",
        callback=read_minute,
        metavar="HH:MM",
        help="The time of day at the phone.  [default: that of this machine]",
    ),
)


def condition_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which passes their values to `read_conditions`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_conditions(
    folder: Path,
    *,
    battery: int,
    charging: bool,
    metered: bool,
    free: int | None,
    minute: int | None,
) -> Conditions:
    """Return the conditions; free disk space and time of day default to this machine's."""
    return Conditions(
        battery_percent=battery,
        is_charging=charging,
        is_metered=metered,
        free_bytes=shutil.disk_usage(folder).free if free is None else free,
        local_minute=_read_minute_of_day() if minute is None else minute,
    )


def _read_minute_of_day() -> int:
    local = dt.datetime.fromtimestamp(read_clock(), dt.UTC).astimezone()
    return local.hour * 60 + local.minute


class Screen:
    """Prints steps and their progress to standard error; use it as a context manager.

    `say` starts a step, `progress` shows its progress in bytes.
    """

    def __init__(self, *, quiet: bool = False, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._quiet = quiet
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._sentence = ""
        self._tenth = 0

    def __enter__(self) -> Self:
        if not self._quiet and self._console.is_terminal:
            self._progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                DownloadColumn(),
                console=self._console,
            )
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def say(self, sentence: str) -> None:
        """Print a sentence that starts a step."""
        self._sentence, self._task, self._tenth = sentence, None, 0
        if not self._quiet:
            self._console.print(sentence, markup=False, soft_wrap=True)

    def progress(self, done: int, total: int) -> None:
        """Update the bar of the current step; without a terminal, print a line at each tenth."""
        if self._progress is None:
            tenth = done * 10 // max(total, 1)
            if not self._quiet and tenth > self._tenth:
                self._tenth = tenth
                self._console.print(f"{tenth * 10} %: {done} of {total} bytes", soft_wrap=True)
            return
        if self._task is None:
            word = self._sentence.partition(" ")[0]  # the full sentence is above the bar
            self._task = self._progress.add_task(word, total=total)
        self._progress.update(self._task, completed=done, total=total)
