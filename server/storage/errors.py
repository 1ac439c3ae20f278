"""What the surroundings can do to us: `StorageError` is exit status 3, not a refusal."""

from server.core.errors import HeningError


class StorageError(HeningError):
    """A disk or database that does not do what it is asked."""
