"""Errors of the publisher, besides those of malformed input."""

from server.core.errors import HeningError, TrustError


class PublishError(HeningError):
    """A change that cannot be published as it is."""


class MissingKeyError(TrustError):
    """Root or targets name none of this server's keys for a role, or for the log."""


class LeafRefusedError(PublishError):
    """The key process refused to sign a log with these leaves; it has signed `signed` leaves."""

    def __init__(self, message: str, signed: int) -> None:
        super().__init__(message)
        self.signed = signed
