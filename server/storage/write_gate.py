"""Whose turn it is to write: one transaction at a time, and what is urgent before all else.

SQLite lets one transaction write. Those that wait for it look again now and then, so that chance
decides which of them is next. Within a process this gate decides, before the database is asked. A
transaction of another process is waited for in the database.
"""

import threading
from collections import deque

IN_A_ROW = 8  # urgent turns: a halt takes about as many


class WriteGate:
    """The gate of one database file, for all threads of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_taken = False
        self._urgent: deque[threading.Event] = deque()
        self._ordinary: deque[threading.Event] = deque()
        self._in_a_row = 0  # urgent turns while something ordinary waited

    def take(self, seconds: float, *, is_urgent: bool) -> bool:
        """Wait for up to `seconds` for a turn; answers whether it came.

        Each class is served in the order of arrival, and the ordinary one while nothing urgent
        waits or after `IN_A_ROW` urgent turns. Blocks the thread.
        """
        queue = self._urgent if is_urgent else self._ordinary
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return True
            turn = threading.Event()
            queue.append(turn)
        if turn.wait(seconds):
            return True
        with self._lock:
            if turn.is_set():  # it came at this moment
                return True
            queue.remove(turn)
        return False

    def give(self) -> None:
        """End a turn: the next one begins."""
        with self._lock:
            if not (self._urgent or self._ordinary):
                self._is_taken = False
            elif self._urgent and (self._in_a_row < IN_A_ROW or not self._ordinary):
                self._in_a_row = self._in_a_row + 1 if self._ordinary else 0
                self._urgent.popleft().set()
            else:
                self._in_a_row = 0
                self._ordinary.popleft().set()
