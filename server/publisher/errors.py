"""What the publisher refuses beyond malformed input."""

from server.core.errors import HeningError


class PublishError(HeningError):
    """A change that cannot be published as it is."""
