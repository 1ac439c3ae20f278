"""Templates of pages: a report's own, which extend `base.html`."""

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_BASE: Final = Path(__file__).parent / "templates"


def make_environment(folder: Path) -> Environment:
    """Return the templates in `folder`, and those of this package.

    Names of servers and captured bytes are untrusted: every value is escaped, and one that is
    missing is an error. The filter `commas` writes thousands with commas.
    """
    environment = Environment(
        loader=FileSystemLoader([folder, _BASE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["commas"] = "{:,}".format
    return environment
