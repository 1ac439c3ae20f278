"""Who takes the lease first, of the two publishers of a process: the one for what stops things."""

import contextlib
import threading
from collections.abc import Iterator


class Precedence:
    """Counts those who want the lease, or have it, to stop something; for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    @property
    def is_wanted(self) -> bool:
        """Whether somebody wants the lease, or has it, to stop something."""
        return self._count > 0

    @contextlib.contextmanager
    def wanted(self) -> Iterator[None]:
        """Have others wait until the block ends."""
        with self._lock:
            self._count += 1
        try:
            yield
        finally:
            with self._lock:
                self._count -= 1
