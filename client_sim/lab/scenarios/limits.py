"""Limits for the client under test: it can neither stall the lab nor end its process."""

import os
import posix
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

PATIENCE: Final = 120.0
"""Seconds of processor time that a run may take, and of real time that it may be idle.

A hundred days of polls take two seconds. A busy machine lengthens only the real time of a run.
"""

_TICK: Final = 1.0  # seconds between two checks of a client
_IDLE: Final = 0.001  # seconds of processor time in a tick; a running client takes more


class Overdue(BaseException):
    """Interrupts a client that does not return; not caught by its `except Exception`."""


class Ended(BaseException):
    """A signal ends this process; neither a crash of the client nor caught by it."""


class Watchdog:
    """Decides how long the lab waits for a client; call `check` at each tick."""

    def __init__(self, seconds: float, tick: float, used: float) -> None:
        self._seconds = seconds
        self._tick = tick
        self._first = self._last = used
        self._idle = 0.0
        self._reason: str | None = None

    def check(self, used: float) -> str | None:
        """Return the reason for giving the client up, also at all later calls; None until then.

        `used` is the processor time of this process (seconds). A tick without processor time counts
        as waiting; a process that waits to be scheduled gets some time in each second.
        """
        self._idle = self._idle + self._tick if used - self._last < _IDLE else 0.0
        self._last = used
        if self._reason is None and used - self._first >= self._seconds:
            self._reason = f"it used {self._seconds:g} seconds of processor time"
        if self._reason is None and self._idle >= self._seconds:
            self._reason = f"it waited for {self._seconds:g} seconds without doing anything"
        return self._reason


@contextmanager
def confine(patience: float) -> Iterator[None]:
    """Limit a client to `patience` seconds of processor time, and to as many of waiting.

    After that, Overdue is raised within the client. This works in the main thread only, and
    suspends a timer that was set before. In the context, `os._exit`, by which a client could end
    the process with any status, raises SystemExit. A module that is imported in the context and
    binds `_exit` by name keeps that replacement.
    """
    original_exit = os._exit
    tick = min(_TICK, patience)
    watchdog = Watchdog(patience, tick, time.process_time())

    def check(_number: int, _frame: object) -> None:
        reason = watchdog.check(time.process_time())
        if reason is not None:
            raise Overdue(reason)

    handler = signal.signal(signal.SIGALRM, check)
    previous_timer = signal.setitimer(signal.ITIMER_REAL, tick, tick)
    os._exit = posix._exit = _raise_exit  # noqa: SLF001  # its only name
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *previous_timer)
        signal.signal(signal.SIGALRM, handler)
        os._exit = posix._exit = original_exit  # noqa: SLF001  # as above


def _raise_exit(status: int) -> NoReturn:
    raise SystemExit(status)
