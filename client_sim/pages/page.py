"""The template environment of reports, and the origin of a report."""

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
    """Return an environment with the templates in `folder` and those of this package.

    Server names and captured bytes are untrusted, so every value is escaped. A missing value is an
    error. The filter `commas` separates thousands with commas.
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
    """The origin of a report: the only line that differs when the same seed is run again.

    `made` is in UTC. `program` has version, commit and Python version as `--version` prints them.
    `machine` names system, processor and number of processors, but not the host, because reports
    are shown to others.
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
        """The date for a title, such as 2026-12-01."""
        return f"{self.made:%Y-%m-%d}"

    def __str__(self) -> str:
        """Return the line that a report shows."""
        return f"Made {self.made:%Y-%m-%d %H:%M} UTC by {self.program} on {self.machine}."
