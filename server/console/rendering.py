"""Templates: read and compiled once, every value escaped, a name that is missing an error.

Escaped is what means something in HTML, and what is not seen.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from server.console.address import PREFIX
from server.core.content.invisible import escape_invisible

FOLDER = Path(__file__).parent
_UNITS = ("octets", "kB", "MB", "GB", "TB")


class Pages:
    """The templates, and the few files that they name. Reads its folder when it is made."""

    def __init__(self) -> None:
        self.assets: dict[str, tuple[bytes, str]] = {}
        names = {}
        for file, kind in (("console.css", "text/css"), ("icon.svg", "image/svg+xml")):
            octets = (FOLDER / "assets" / file).read_bytes()
            stem, _, suffix = file.partition(".")
            path = f"{PREFIX}/assets/{stem}-{hashlib.sha256(octets).hexdigest()[:16]}.{suffix}"
            self.assets[path] = (octets, kind)
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
            "iso": iso,
            "moment": moment,
            "octets": octets_text,
            "share": share,
            "span": span,
        }
        environment.globals |= {"assets": names, "prefix": PREFIX, "away": away}
        self._templates = {
            name: environment.get_template(name) for name in environment.list_templates()
        }

    def render(self, name: str, values: Mapping[str, Any]) -> bytes:
        """Return a page's octets."""
        return self._templates[name].render(values).encode()


def show(value: object) -> object:
    """Return a value as a page shows it: older texts may hold what is not seen, or turns others."""
    if hasattr(value, "__html__"):  # made by a template, out of values that were shown so
        return value
    return escape_invisible(str(value), lines=True)


def moment(seconds: int) -> str:
    """Return a time as people read it, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def iso(seconds: int) -> str:
    """Return a time as machines read it, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def span(seconds: int) -> str:
    """Return a duration in the largest unit that fits, rounded: `3 h`, `2 days`."""
    for size, unit in ((86_400, "day"), (3600, "h"), (60, "min")):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {unit}s" if unit == "day" and count > 1 else f"{count} {unit}"
    return f"{seconds} s"


def away(seconds: int, now: int) -> str:
    """Return how far a time is from now, in the largest unit that fits: `in 3 h`, `2 days ago`."""
    distance = abs(seconds - now)
    if distance < 60:
        return "now"
    return f"in {span(distance)}" if seconds > now else f"{span(distance)} ago"


def share(permille: int) -> str:
    """Return permille as per cent: `12.5 %`."""
    return f"{permille / 10:g}\N{NO-BREAK SPACE}%"


def octets_text(count: int) -> str:
    """Return a number of octets in the unit that leaves it short."""
    size = float(count)
    for unit in _UNITS:
        if size < 1000 or unit == _UNITS[-1]:
            break
        size /= 1000
    return f"{size:.3g}\N{NO-BREAK SPACE}{unit}"
