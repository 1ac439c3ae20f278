"""A finding: a reason for an alarm, with the bytes that show it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """A reason for an alarm: `length` bytes at `offset` of `data`, sent at `where`.

    `other` holds the bytes of the other run in the same place if the check compares two runs.
    `channel` is a value of Channel, or "the owner's data" if the client read them. `field` is the
    part of the channel, such as `path`, `header Host value` or `interval`.
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
        """Return the bytes that show the reason."""
        return self.data[self.offset : self.offset + self.length]
