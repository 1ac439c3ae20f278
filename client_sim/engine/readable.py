"""What the engine reads a package from: a file, or something that looks like one."""

from typing import Protocol


class Readable(Protocol):
    """Bytes that can be read from anywhere; an open binary file is one."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to `offset`, counted from the start (0) or the end (2); return where that is."""
        ...

    def read(self, size: int = -1, /) -> bytes:
        """Return `size` bytes from there on, less at the end, all with -1."""
        ...
