"""The origin of a report: when, by which version and on which kind of machine it was made."""

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from hening.version import describe_version


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
