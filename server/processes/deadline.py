"""A deadline for another process, that counts the time in which this one was able to hear of it."""

from asyncio import TimerHandle
from collections.abc import Callable
from typing import Protocol

STEP_SECONDS = 1.0  # a sign of life comes as often
STEPS = 2  # at least: after a step that took longer there is one in which what arrived is read


class CallLater(Protocol):
    """Calls a function with arguments in so many seconds, as an event loop does."""

    def __call__(
        self, delay: float, callback: Callable[[float], None], step: float, /
    ) -> TimerHandle:
        """Return the handle by which the call is cancelled."""


class Deadline:
    """Calls `act` after `seconds`, counted in steps.

    A loop that stood still for a minute reads a minute's messages late, and its timers fire before
    those messages are handled. However long it stood still, that is one step here.
    """

    def __init__(self, call_later: CallLater, seconds: float, act: Callable[[], None]) -> None:
        self._call_later = call_later
        self._left = seconds
        self._step = min(STEP_SECONDS, seconds / STEPS)
        self._act = act
        self._handle = self._arm()

    def cancel(self) -> None:
        """Never call."""
        self._handle.cancel()

    def _arm(self) -> TimerHandle:
        step = min(self._step, self._left)
        return self._call_later(step, self._count, step)

    def _count(self, step: float) -> None:
        self._left -= step
        if self._left > 0:
            self._handle = self._arm()
        else:
            self._act()
