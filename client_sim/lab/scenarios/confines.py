"""Limits for the client under test: it can neither stall the lab nor end its process."""

import os
import posix
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

PATIENCE: Final = 120.0
"""Seconds of processor time that a run may take, and of real time that it may idle.

A hundred days of polls take two. On a busy machine a run takes more real time only.
"""

_TICK: Final = 1.0  # seconds between two checks of a client
_NOTHING: Final = 0.001  # seconds of processor time in a tick: a client that runs at all takes more


class Overdue(BaseException):
    """Interrupts a client that does not come back; its `except Exception` does not catch this."""


class Ended(BaseException):
    """This process is ended from outside: not a crash of the client, nor for it to catch."""


class Patience:
    """How long the lab waits for a client; `look` takes the processor time at each tick."""

    def __init__(self, seconds: float, tick: float, used: float) -> None:
        self._seconds = seconds
        self._tick = tick
        self._first = self._last = used
        self._idle = 0.0
        self._said: str | None = None

    def look(self, used: float) -> str | None:
        """Return why the client is given up, from then on at each call; None until then.

        `used` is the processor time of this process (seconds). A tick in which nothing ran counts
        as waiting: a process that only waits to be scheduled gets some time in a second.
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
    """Limit a client in this thread to so many seconds of processor time, and as many of waiting.

    Raises Overdue within the client when they are over; works in the main thread only. `os._exit`,
    by which a client could end the process with any status, raises SystemExit meanwhile. In modules
    that are imported meanwhile and take it by name, it does so for ever. A timer that was set
    before is suspended.
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
