"""One at a time changes what a phone's folder holds: a poll, a command, a reset."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from client_sim.device.errors import StorageError


@contextmanager
def hold_folder(directory: Path, *, waits: bool) -> Iterator[bool]:
    """Hold the lock of a phone's folder, and say whether it is held; raises StorageError.

    It waits for whoever has it, or, where it does not wait, is refused. What is locked is the
    folder itself: no file has to be written or removed for it, and it is free again when the
    process ends, however it does. Not to be nested: a second one waits for the first for ever.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise StorageError(f"The phone's disk failed: {error}.") from error
    try:
        is_held = _lock(descriptor, waits=waits)
        yield is_held
    finally:
        os.close(descriptor)


def _lock(descriptor: int, *, waits: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        raise StorageError(f"The phone's disk failed: {error}.") from error
    return True
