"""Templates: read and compiled once, every value escaped, undefined names are errors.

Both HTML characters and invisible ones are escaped.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from server.console.page import PREFIX
from server.core.content.invisible import escape_invisible
from server.core.quantities import spell_size, spell_span

FOLDER = Path(__file__).parent


class Pages:
    """The templates, and the few files that they name. Reads its folder when it is made."""

    def __init__(self) -> None:
        self.assets: dict[str, tuple[bytes, str]] = {}
        names = {}
        for file, kind in (("console.css", "text/css"), ("icon.svg", "image/svg+xml")):
            data = (FOLDER / "assets" / file).read_bytes()
            stem, _, suffix = file.partition(".")
            path = f"{PREFIX}/assets/{stem}-{hashlib.sha256(data).hexdigest()[:16]}.{suffix}"
            self.assets[path] = (data, kind)
            names[stem] = path
        environment = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=show,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.filters |= {
            "clock": clock,
            "day": day,
            "iso": iso,
            "moment": moment,
            "share": share,
            "size": size,
            "span": spell_span,
            "utc": utc,
            "zone": zone,
        }
        environment.globals |= {"assets": names, "prefix": PREFIX, "away": away}
        self._templates = {
            name: environment.get_template(name) for name in environment.list_templates()
        }

    def render(self, name: str, values: Mapping[str, Any]) -> bytes:
        """Return a page's bytes."""
        return self._templates[name].render(values).encode()


def show(value: object) -> object:
    """Return a value for a page: older texts may hold invisible or bidirectional characters."""
    if hasattr(value, "__html__"):  # made by a template, from values that were escaped
        return value
    return escape_invisible(str(value), lines=True)


def moment(seconds: int) -> str:
    """Return a time for people, in the time zone of the server's machine.

    A page without scripts does not know the browser's.
    """
    return f"{local_time(seconds):%Y-%m-%d %H:%M}"


def day(seconds: int) -> str:
    """Return the date of a time, in the same zone."""
    return f"{local_time(seconds):%Y-%m-%d}"


def clock(seconds: int) -> str:
    """Return the time of the day, in the same zone."""
    return f"{local_time(seconds):%H:%M}"


def zone(seconds: int) -> str:
    """Return the name of that zone at a time."""
    return f"{local_time(seconds):%Z}"


def utc(seconds: int) -> str:
    """Return a time for people, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def local_time(seconds: int) -> datetime:
    """Return a time in the time zone of the server's machine."""
    return datetime.fromtimestamp(seconds, UTC).astimezone()


def iso(seconds: int) -> str:
    """Return a time for programs, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def away(seconds: int, now: int) -> str:
    """Return how far a time is from now, in the largest unit that fits: `in 3 h`, `2 days ago`."""
    distance = abs(seconds - now)
    if distance < 60:
        return "now"
    return f"in {spell_span(distance)}" if seconds > now else f"{spell_span(distance)} ago"


def share(permille: int) -> str:
    """Return permille as per cent: `12.5 %`."""
    return f"{permille / 10:g}\N{NO-BREAK SPACE}%"


def size(count: int) -> str:
    """Return a number of bytes in the unit with the shortest number."""
    return spell_size(count).replace(" ", "\N{NO-BREAK SPACE}")
