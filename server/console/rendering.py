"""Templates and their filters. Templates are compiled once; an undefined name is an error.

Every value is escaped: HTML characters, and invisible ones.
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
    """The templates, and the assets that they link to. Reads all files when it is created."""

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
        """Return the page of the template `name` with `values`, in UTF-8."""
        return self._templates[name].render(values).encode()


def show(value: object) -> object:
    """Return a value for a page, with invisible and bidirectional characters escaped.

    Texts that were stored by older versions may contain them.
    """
    if hasattr(value, "__html__"):  # made by a template from escaped values
        return value
    return escape_invisible(str(value), lines=True)


def moment(seconds: int) -> str:
    """Return date and time in the time zone of the server.

    Without scripts, a page does not know the browser's time zone.
    """
    return f"{local_time(seconds):%Y-%m-%d %H:%M}"


def day(seconds: int) -> str:
    """Return the date of a time, in the server's time zone."""
    return f"{local_time(seconds):%Y-%m-%d}"


def clock(seconds: int) -> str:
    """Return the time of the day, in the server's time zone."""
    return f"{local_time(seconds):%H:%M}"


def zone(seconds: int) -> str:
    """Return the abbreviation of the server's time zone at a time."""
    return f"{local_time(seconds):%Z}"


def utc(seconds: int) -> str:
    """Return date and time in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def local_time(seconds: int) -> datetime:
    """Return a time in the time zone of the server."""
    return datetime.fromtimestamp(seconds, UTC).astimezone()


def iso(seconds: int) -> str:
    """Return a time in ISO 8601, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def away(seconds: int, now: int) -> str:
    """Return the distance of a time from now, such as `in 3 h` or `2 days ago`."""
    distance = abs(seconds - now)
    if distance < 60:
        return "now"
    return f"in {spell_span(distance)}" if seconds > now else f"{spell_span(distance)} ago"


def share(permille: int) -> str:
    """Return permille in per cent, such as `12.5 %`."""
    return f"{permille / 10:g}\N{NO-BREAK SPACE}%"


def size(count: int) -> str:
    """Return a number of bytes with a unit, such as `1.2 MB`."""
    return spell_size(count).replace(" ", "\N{NO-BREAK SPACE}")
