"""External failures: `StorageError` is exit status 3, not a refusal."""

from server.core.errors import HeningError


class StorageError(HeningError):
    """A disk, a database or a store failed."""
