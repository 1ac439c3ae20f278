"""One active publisher: a lock on a file, held while something is published."""

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from server.storage.errors import StorageError

WAIT_SECONDS = 60.0
RETRY_SECONDS = 0.05


@asynccontextmanager
async def publisher_lock(path: Path, *, wait: float = WAIT_SECONDS) -> AsyncIterator[None]:
    """Hold the lock; the kernel releases it when the process dies.

    Raises StorageError when another process holds it for longer than `wait` seconds.
    """
    with await asyncio.to_thread(_open, path) as file:
        for _ in range(max(1, int(wait / RETRY_SECONDS))):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(RETRY_SECONDS)
        else:
            raise StorageError("another process is publishing and does not end: look at it first.")
        yield


def _open(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("ab")
