"""Options and tables that the commands about public content share."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from client_sim.device.release import is_locale

if TYPE_CHECKING:
    from client_sim.content.phone_packs import PhonePacks

_COUNTRY: Final = re.compile(r"[A-Za-z]{2}")


def read_locale(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Read a locale; raises BadParameter."""
    if not is_locale(value):
        raise click.BadParameter(f"{value} is not a locale, such as id-ID")
    return value


def read_country(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Read a country as two capital letters; raises BadParameter."""
    if _COUNTRY.fullmatch(value) is None:
        raise click.BadParameter(f"{value} is not a country of two letters, such as ID")
    return value.upper()


def read_moment(
    _context: click.Context, _parameter: click.Parameter, value: dt.datetime | None
) -> int | None:
    """Read a time in UTC as epoch seconds."""
    if value is None:
        return None
    return int(value.replace(tzinfo=value.tzinfo or dt.UTC).timestamp())


LOCALE_OPTION: Final = click.option(
    "--locale",
    default="en",
    callback=read_locale,
    help="The owner's language and country; it never leaves the phone.",
)
DATE: Final = click.option(
    "--date",
    "moment",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day, such as 2026-03-20.  [default: today]",
)
ZONE: Final = click.option(
    "--zone",
    help="The owner's time zone, which decides what day is today; it never leaves the phone."
    "  [default: this machine's]",
)
COUNTRY: Final = click.argument("country", callback=read_country)


def open_packs(folder: Path, resolver: Mapping[str, Sequence[str]] | None = None) -> "PhonePacks":
    """Open the packs of a phone; raises DeviceError."""
    from client_sim.content.phone_packs import PhonePacks

    return PhonePacks(folder, resolver=resolver)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under their column names, with aligned columns."""
    lines = [tuple(columns), *(tuple(row) for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
