"""Who takes the lease first, of the two publishers of a process: the one for what stops things."""

import contextlib
import threading
from collections.abc import Iterator


class Precedence:
    """Counts who wants the lease, or has it, to stop something; for all threads.

    `is_overdue`: the other publisher has waited for so long that its turn is next.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self.is_overdue = False

    def gives_way(self, *, is_urgent: bool) -> bool:
        """Answer whether a publisher of that kind leaves the lease to the other one."""
        if is_urgent:
            return self.is_overdue
        return self._count > 0 and not self.is_overdue

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
