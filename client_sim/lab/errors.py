"""What the lab raises.

    LabError
    ├── CaptureError           a capture, or what is said to be known, cannot be read
    ├── ClientNotFoundError    the client under test cannot be loaded
    ├── ClientOverdueError     the client under test does not come back
    └── EnvironmentFailedError      the server, the network or a file that a run needs is not there

A leak is no error: it is a finding of a verdict. Each message is one sentence to act on.
"""

from client_sim.errors import SimulatorError


class LabError(SimulatorError):
    """Base class of the lab's errors: it cannot examine what it was given."""


class CaptureError(LabError):
    """A capture, a key log or a list of known values is malformed or too large."""


class ClientNotFoundError(LabError):
    """The client to examine cannot be imported, or is no factory."""


class ClientOverdueError(LabError):
    """The client to examine waits for something that does not come, or never ends."""


class EnvironmentFailedError(LabError):
    """Something outside the lab failed, so there is no verdict at all."""
