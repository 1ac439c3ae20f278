"""One reason for an alarm, with the bytes that it is about."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason for an alarm: `length` bytes at `offset` of `data`, and where those left.

    `other` is what another run showed in the same place, where the check compares two. `channel` is
    the way out (a value of Channel, or "the owner's data" for a read of it) and `field` the part of
    it, such as `path`, `header Host value` or `interval`.
    """

    where: str
    explanation: str
    data: bytes
    offset: int
    length: int
    other: bytes | None = None
    channel: str = ""
    field: str = ""

    def offending(self) -> bytes:
        """Return the bytes that the finding is about."""
        return self.data[self.offset : self.offset + self.length]
