"""Templates of pages: a report's own, which extend `base.html`; and the origin of a report."""

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hening.version import describe_version

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


@dataclass(frozen=True, slots=True)
class Origin:
    """The line of a report that differs when the same seed is run again.

    `made` is in UTC. `program` has version, commit and Python version as `--version` prints them.
    `machine` names system, processor and number of processors, never the host: a report is shown to
    others.
    """

    made: datetime
    program: str
    machine: str

    @classmethod
    def read(cls, now: float) -> Self:
        """Return the origin of a report that this process makes at `now`, in epoch seconds."""
        processors = os.cpu_count() or 1
        count = f"{processors} processor{'' if processors == 1 else 's'}"
        system = f"{platform.system()} {platform.release()} {platform.machine()}"
        made = datetime.fromtimestamp(now, UTC)
        return cls(made, describe_version("hening-device"), f"{system}, {count}")

    @property
    def day(self) -> str:
        """The date, such as 2026-12-01: a title carries it."""
        return f"{self.made:%Y-%m-%d}"

    def __str__(self) -> str:
        """Return the line that a report shows."""
        return f"Made {self.made:%Y-%m-%d %H:%M} UTC by {self.program} on {self.machine}."
