"""What the publisher refuses beyond malformed input."""

from server.core.errors import HeningError


class PublishError(HeningError):
    """A change that cannot be published as it is."""


class LeafRefusedError(PublishError):
    """A key process signs no log with these leaves; `signed` is the size of the one it signed."""

    def __init__(self, message: str, signed: int) -> None:
        super().__init__(message)
        self.signed = signed
