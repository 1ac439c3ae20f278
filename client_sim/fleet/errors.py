"""Errors of a fleet.

    FleetError
    ├── TargetError               a fleet may not load the server
    └── EnvironmentFailedError    a server, a command or a worker that the run needs failed

Bad answers of a server are not errors: they are counted as failures. Each message is one sentence.
"""

from dataclasses import dataclass
from typing import Final

from client_sim.errors import SimulatorError


class FleetError(SimulatorError):
    """The base class of all errors of this package: a fleet cannot run."""


class TargetError(FleetError):
    """A fleet may not load the server, or is too large for it."""


class EnvironmentFailedError(FleetError):
    """Something outside the fleet failed, so there is no report."""


MISHAPS: Final = 20
"""Maximum failures that are reported in full; all failures are counted."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure that the simulated phones did not cause.

    `why` is the value of a `Failure`. `hours` are simulated hours since the start of the run;
    `request` is the last request as of `first_line`, or empty; `detail` is further information.
    """

    why: str
    hours: float
    group: str
    request: str
    detail: str

    def describe(self) -> str:
        """Return the failure as a sentence."""
        request = f" after {self.request}" if self.request else ""
        detail = f": {self.detail.rstrip('.')}" if self.detail else ""
        return f"hour {self.hours:.2f}, {self.group}{request}: {self.why}{detail}."


def first_line(data: bytes) -> str:
    """Return the first line of a request, with its range if it has one."""
    line, _, rest = data.decode("ascii").partition("\r\n")
    request = line.removesuffix(" HTTP/1.1")
    _, mark, block = rest.partition("Range: ")
    return f"{request}  {block.strip()}" if mark else request
