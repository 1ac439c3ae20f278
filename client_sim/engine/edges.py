"""The two ends of a package that passes by as a stream, read as if it were a whole file."""

import io

from client_sim.engine.errors import PackageError


class Edges:
    """A file of `length` bytes of which the first and the last ones are known.

    Bytes of one read that lie before the known end read as zeros, in which nothing is ever found.
    Reading anything else of the middle raises PackageError.
    """

    def __init__(self, length: int, head: bytes, tail: bytes = b"") -> None:
        self._length = length
        self._head = head
        self._tail = tail
        self._position = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to `offset`, counted from the start or, with SEEK_END, from the end."""
        self._position = offset if whence == io.SEEK_SET else self._length + offset
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """Return `size` bytes from the position on, less at the end."""
        start = self._position
        stop = self._length if size < 0 else min(start + size, self._length)
        self._position = max(start, stop)
        if stop <= len(self._head):
            return self._head[start:stop]
        known = self._length - len(self._tail)
        if not known <= stop or stop == known:
            raise PackageError("The package's parts do not lie where they can be read in passing.")
        missing = max(0, known - start)
        return bytes(missing) + self._tail[start + missing - known : stop - known]
