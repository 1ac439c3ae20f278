"""The clock that a fleet and its own server share: a file that the fleet advances.

Microseconds since the epoch, 8 bytes, little-endian, rewritten in place.
"""

import mmap
import struct
from pathlib import Path
from typing import Final

_FORM: Final = struct.Struct("<Q")


class ClockFile:
    """The clock in `path`, a new file."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.path = path
        path.write_bytes(_FORM.pack(int(seconds * 1e6)))
        with path.open("r+b") as file:
            self._view = mmap.mmap(file.fileno(), _FORM.size)
        self.seconds = seconds

    def turn(self, seconds: float) -> None:
        """Set the clock, epoch seconds; never back."""
        self.seconds = max(self.seconds, seconds)
        _FORM.pack_into(self._view, 0, int(self.seconds * 1e6))

    def close(self) -> None:
        """Close the file."""
        self._view.close()
