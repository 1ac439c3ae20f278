"""What keeps a client that is examined from holding the lab up, and from ending its process."""

import os
import posix
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

PATIENCE: Final = 120.0
"""Seconds that a run may take: a hundred days of polls take two, on a busy machine some more."""

_AGAIN: Final = 1.0  # seconds until a client is interrupted again that went on


class Overdue(BaseException):
    """Interrupts a client that does not come back; no `except Exception` of its own keeps it."""


@contextmanager
def confine(patience: float) -> Iterator[None]:
    """Let a client run for so many seconds of the wall clock, in the main thread.

    Raises Overdue in the midst of it when they are over. `os._exit`, which ends a process without
    a word and with the status that a client chooses, raises SystemExit meanwhile, and for ever in
    modules that take it by name while they are imported here. A timer that somebody else has set
    stands still.
    """
    ending = os._exit
    handler = signal.signal(signal.SIGALRM, _interrupt)
    left = signal.setitimer(signal.ITIMER_REAL, patience, _AGAIN)
    os._exit = posix._exit = _leave  # noqa: SLF001  # its only name
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *left)
        signal.signal(signal.SIGALRM, handler)
        os._exit = posix._exit = ending  # noqa: SLF001  # as above


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise Overdue


def _leave(status: int) -> NoReturn:
    raise SystemExit(status)
