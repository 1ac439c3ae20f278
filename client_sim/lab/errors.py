"""The lab's exceptions.

    LabError
    ├── CaptureError            a capture, a key log or a persona file cannot be read
    ├── ClientNotFoundError     the client under test cannot be loaded
    ├── ClientOverdueError      the client under test does not return
    └── EnvironmentFailedError  a server, network or file that a run needs is unavailable

A leak is not an error but a finding in the verdict. Each message is one sentence that says what to
do.
"""

from client_sim.errors import SimulatorError


class LabError(SimulatorError):
    """Base class of the lab's errors: the input cannot be examined."""


class CaptureError(LabError):
    """A capture, a key log or a list of known values is malformed or too large."""


class ClientNotFoundError(LabError):
    """The client to examine cannot be imported, or is not a factory."""


class ClientOverdueError(LabError):
    """The client to examine waits for an event that never happens, or does not terminate."""


class EnvironmentFailedError(LabError):
    """Something outside the lab failed, so there is no verdict at all."""
