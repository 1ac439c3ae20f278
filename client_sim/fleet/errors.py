"""What a fleet raises.

    FleetError
    ├── TargetError          the server to poll is not one that a fleet may load
    └── SurroundingsError    a server, a command or a worker that the run needs failed

What a server answers to a phone is no error: it is counted. Each message is one sentence.
"""

from client_sim.errors import SimulatorError


class FleetError(SimulatorError):
    """A fleet cannot run; every error of this package is one."""


class TargetError(FleetError):
    """The server is not one that may be loaded, or the fleet is larger than it may be."""


class SurroundingsError(FleetError):
    """Something outside the fleet failed, so there is no report."""
