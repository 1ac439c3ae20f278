"""Options that several commands about a phone share, and how their texts are read."""

import ipaddress
import json
import re
from pathlib import Path
from typing import Final

import click

from client_sim.device.conditions import MINUTES_OF_A_DAY
from client_sim.device.image import is_host
from client_sim.device.names import REGION

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
        raise click.BadParameter(f"{value} is no host name in lower case, such as a.example")
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


def read_quiet(
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
        raise click.BadParameter(f"{text} is no time of day, such as 07:30")
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
