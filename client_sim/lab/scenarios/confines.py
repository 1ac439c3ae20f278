"""What keeps a client that is examined from holding the lab up, and from ending its process."""

import os
import posix
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

PATIENCE: Final = 120.0
"""Seconds of processor time that a run may take, and of the clock that it may do nothing for.

A hundred days of polls take two. A busy machine makes a run longer by the clock alone.
"""

_TICK: Final = 1.0  # seconds between two looks at a client
_NOTHING: Final = 0.001  # seconds of processor time in a tick: whoever runs at all takes more


class Overdue(BaseException):
    """Interrupts a client that does not come back; no `except Exception` of its own keeps it."""


class Ended(BaseException):
    """Somebody ends this process: no crash of the client, and none of its own business."""


class Patience:
    """How long a client is waited for; told of the processor time at each tick of the clock."""

    def __init__(self, seconds: float, tick: float, used: float) -> None:
        self._seconds = seconds
        self._tick = tick
        self._first = self._last = used
        self._idle = 0.0
        self._said: str | None = None

    def look(self, used: float) -> str | None:
        """Say why the client is to be given up, and from then on each time; None where it is not.

        `used` is the processor time of this process (seconds). A tick in which nothing ran is one
        of waiting: a process that only waits for its turn gets some in a second.
        """
        self._idle = self._idle + self._tick if used - self._last < _NOTHING else 0.0
        self._last = used
        if self._said is None and used - self._first >= self._seconds:
            self._said = f"it took {self._seconds:g} seconds of processor time"
        if self._said is None and self._idle >= self._seconds:
            self._said = f"it waited for {self._seconds:g} seconds and did nothing"
        return self._said


@contextmanager
def confine(patience: float) -> Iterator[None]:
    """Let a client run for so many seconds of processor time, or wait for as many, in this thread.

    Raises Overdue in the midst of it when they are over. It is the main thread's. `os._exit`, which
    ends a process without a word and with the status that a client chooses, raises SystemExit
    meanwhile, and for ever in modules that take it by name while they are imported here. A timer
    that somebody else has set stands still.
    """
    ending = os._exit
    tick = min(_TICK, patience)
    waiting = Patience(patience, tick, time.process_time())

    def look(_number: int, _frame: object) -> None:
        said = waiting.look(time.process_time())
        if said is not None:
            raise Overdue(said)

    handler = signal.signal(signal.SIGALRM, look)
    left = signal.setitimer(signal.ITIMER_REAL, tick, tick)
    os._exit = posix._exit = _leave  # noqa: SLF001  # its only name
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *left)
        signal.signal(signal.SIGALRM, handler)
        os._exit = posix._exit = ending  # noqa: SLF001  # as above


def _leave(status: int) -> NoReturn:
    raise SystemExit(status)
