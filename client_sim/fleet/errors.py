"""What a fleet raises.

    FleetError
    ├── TargetError          the server to poll is not one that a fleet may load
    └── EnvironmentFailedError    a server, a command or a worker that the run needs failed

What a server answers to a phone is no error: it is counted. Each message is one sentence.
"""

from dataclasses import dataclass
from typing import Final

from client_sim.errors import SimulatorError


class FleetError(SimulatorError):
    """A fleet cannot run; every error of this package is one."""


class TargetError(FleetError):
    """The server is not one that may be loaded, or the fleet is larger than it may be."""


class EnvironmentFailedError(FleetError):
    """Something outside the fleet failed, so there is no report."""


MISHAPS: Final = 20
"""How many are reported in full; all of them are counted."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure that the phones did not cause themselves.

    `hours` are simulated hours since the start of the run; `request` is the last request without
    its headers, or empty; `detail` is further information.
    """

    why: str
    hours: float
    group: str
    request: str
    detail: str

    def tell(self) -> str:
        """Return the failure as a sentence."""
        asked = f" after {self.request}" if self.request else ""
        detail = f": {self.detail.rstrip('.')}" if self.detail else ""
        return f"hour {self.hours:.2f}, {self.group}{asked}: {self.why}{detail}."


def first_line(data: bytes) -> str:
    """Return the first line of a request, with its range if it has one."""
    line, _, rest = data.decode("ascii").partition("\r\n")
    request = line.removesuffix(" HTTP/1.1")
    _, mark, block = rest.partition("Range: ")
    return f"{request}  {block.strip()}" if mark else request
