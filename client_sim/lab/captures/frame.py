"""What captures of packets consist of, and the reader from which both formats are read."""

from dataclasses import dataclass
from typing import BinaryIO, Final

from client_sim.lab.errors import CaptureError

FRAME_LIMIT: Final = 262_144
"""Bytes of a frame: what tcpdump and its like write at most."""

FRAMES_LIMIT: Final = 2_000_000
"""Frames of a capture: some minutes of work, days of a phone that polls."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its number from 1, when it was seen (epoch seconds), its link type, its bytes.

    `length` is what it had on the wire, `len(bytes)` what was kept of it.
    """

    number: int
    at: float
    link: int
    data: bytes
    length: int


@dataclass(frozen=True, slots=True)
class Secrets:
    """A key log that the capture carries, in the format of NSS."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of the capture that this reader does not know: what it is, and its bytes."""

    label: str
    data: bytes


class Source:
    """A capture that is read from its beginning to its end, and never further."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.offset = 0

    def take(self, count: int, what: str) -> bytes:
        """Read exactly `count` bytes; raise CaptureError where the capture ends before."""
        data = self._file.read(count)
        if len(data) < count:
            raise CaptureError(
                f"the capture is cut off in {what}, {self.offset + len(data)} bytes from its"
                " beginning: let the program that writes it end, or copy it again"
            )
        self.offset += count
        return data

    def peek_end(self) -> bool:
        """Return whether nothing more follows."""
        data = self._file.read(1)
        self._file.seek(-len(data), 1)
        return not data


def check_frame(number: int, kept: int) -> None:
    """Raise CaptureError where there are too many frames or one has too many bytes."""
    if number > FRAMES_LIMIT:
        raise CaptureError(f"the capture has more than {FRAMES_LIMIT} frames: cut it into parts")
    if kept > FRAME_LIMIT:
        raise CaptureError(f"frame {number} is said to have {kept} bytes: this is no capture")
