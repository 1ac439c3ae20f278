"""SIGTERM and Control-C held back for a moment in which a process begins or ends."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_HELD: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def held_signals() -> Iterator[None]:
    """Let what comes within the block come right behind it.

    A handler that raises between the fork and the assignment of a `Popen` leaves a process that
    nobody knows. The signals are not blocked in the kernel: what is begun inside would begin with
    them blocked, too. Python runs handlers on the main thread alone, so elsewhere there is nothing
    to hold.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.signal(number, note) for number in _HELD}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None: a handler that was not set from Python, and cannot be set again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for each in came:
            signal.raise_signal(each)
