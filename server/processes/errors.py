"""What can go wrong between the processes.

ProcessError
├── ChannelError      bytes that are no message, or too many of them
└── ActivationError   sockets were announced that are none, or not such as can be served on
"""

from server.core.errors import HeningError


class ProcessError(HeningError):
    """A failure of the processes that serve phones."""


class ChannelError(ProcessError):
    """Bytes on a channel that are not a valid message."""


class ActivationError(ProcessError):
    """Passed sockets that cannot be served on."""
