"""Readers of option values and of the TUF root that a phone ships with.

A malformed value is a usage error and is reported before the examination starts.
"""

import json
import re
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import click

from client_sim.lab.errors import LabError

# docs/FORMATS.md section 1.
_CODENAME: Final = re.compile(
    r"(?!(?:root|targets|snapshot|timestamp|mirrors|latest|tables|content)$|latest-)"
    r"[a-z0-9][a-z0-9_-]{0,31}"
)
_SHORT: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,15}")
_HOST: Final = re.compile(r"(?=.*[a-z])[a-z0-9-]+(?:\.[a-z0-9-]+)*")
_LAST_SECOND: Final = 253_402_300_799.0  # epoch seconds of the end of the year 9999


def read_mappings(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """Read any number of `HOST=ADDRESS`."""
    mappings: dict[str, str] = {}
    for value in values:
        host, _, address = value.partition("=")
        try:
            mappings[host] = str(ip_address(address))
        except ValueError:
            raise click.BadParameter(
                f"{value} is not HOST=ADDRESS, such as a.example=127.0.0.1"
            ) from None
    return mappings


def read_codename(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Read the name of a model."""
    return _read(value, _CODENAME, "the codename of a model, such as armani")


def read_short(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Read a region or a channel."""
    return _read(value, _SHORT, "a short name of a-z, 0-9 and -, such as stable")


def read_host(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """Read a host name; addresses are refused."""
    return _read(value, _HOST, "a host name, such as updates.example.org")


def read_now(
    _context: click.Context, _parameter: click.Parameter, value: float | None
) -> float | None:
    """Read epoch seconds up to the year 9999."""
    # Written so that NaN, which compares as false with everything, is refused.
    if value is not None and not 0.0 <= value <= _LAST_SECOND:
        raise click.BadParameter(f"{value} is not a time: write epoch seconds, such as 1767225600")
    return value


def _read(value: str, form: re.Pattern[str], description: str) -> str:
    if form.fullmatch(value) is None:
        raise click.BadParameter(f"{value} is not {description}")
    return value


_LIMIT: Final = 512_000  # bytes; FORMATS section 2


def load_root(path: Path) -> bytes:
    """Read a TUF root; raise LabError for any other file. Signatures are checked by the phone."""
    with path.open("rb") as file:
        data = file.read(_LIMIT + 1)
    if not is_root(data):
        raise LabError(f"{path} is not a TUF root: give the 1.root.json that the phone ships with")
    return data


def is_root(data: bytes) -> bool:
    """Whether the bytes are TUF root metadata with a version, keys and roles."""
    if len(data) > _LIMIT:
        return False
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return False
    signed = value.get("signed") if isinstance(value, dict) else None
    return (
        isinstance(signed, dict)
        and isinstance(value.get("signatures"), list)
        and signed.get("_type") == "root"
        and isinstance(signed.get("version"), int)
        and isinstance(signed.get("keys"), dict)
        and isinstance(signed.get("roles"), dict)
    )
