"""Files open for reading, each once for all its readers."""

import asyncio
import contextlib
import os
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from server.storage.blobs import BlobThreads
from server.storage.errors import StorageError


@dataclass(slots=True)
class _Open:
    opening: "asyncio.Future[int]"
    readers: int = 0


class OpenFiles:
    """Opens files off the loop; readers of the same file share its descriptor.

    A release is one package that a fleet downloads: a thousand downloads of it need one descriptor.
    `path` returns the path of a name.
    """

    def __init__(self, path: Callable[[str], Path]) -> None:
        self._path = path
        self._open: dict[str, _Open] = {}
        self._threads = BlobThreads()  # a fleet opens many; the loop's own threads are for others

    @contextlib.asynccontextmanager
    async def open(self, name: str, length: int) -> AsyncIterator[int]:
        """Yield the descriptor of a regular file of `length` bytes.

        Raises OSError where it cannot be opened, StorageError where it is anything else.
        """
        shared = self._open.get(name)
        if shared is None:
            path = self._path(name)
            opening = asyncio.ensure_future(self._threads.run(_open, path))
            shared = self._open[name] = _Open(opening)
        shared.readers += 1
        try:
            # A cancelled reader leaves the opening to the others.
            descriptor = await asyncio.shield(shared.opening)
            _check(descriptor, length)
            yield descriptor
        finally:
            shared.readers -= 1
            if shared.readers == 0:
                del self._open[name]
                if shared.opening.done():
                    _close(shared.opening)
                else:
                    shared.opening.add_done_callback(_close)


def _open(path: Path) -> int:
    # Opening a pipe would block for ever.
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def _check(descriptor: int, length: int) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size != length:
        raise StorageError(
            f"a blob does not have its {length} bytes: run `hening-server check --deep`."
        )


def _close(opening: "asyncio.Future[int]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        os.close(opening.result())
