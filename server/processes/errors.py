"""The errors of the processes that serve phones.

ProcessError
├── ChannelError      bytes that are not a valid message, or a message that is too long
└── ActivationError   passed sockets that cannot be used
"""

from server.core.errors import HeningError


class ProcessError(HeningError):
    """A failure of the processes that serve phones."""


class ChannelError(ProcessError):
    """Bytes on a channel that are not a valid message."""


class ActivationError(ProcessError):
    """Passed sockets that cannot be used."""
