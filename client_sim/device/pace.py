"""Ends a slow retrieval: a server that answers, but never gets done (FORMATS section 9)."""

from collections.abc import Callable
from typing import Final

from client_sim.device.errors import TransportError

GRACE: Final = 30.0
"""Seconds in which an answer may come as slowly as it likes."""

SLOWEST: Final = 1_024
"""Octets a second that an answer must bring on average after the grace."""


class Pace:
    """Watches one answer, which may take `seconds` in all."""

    def __init__(self, now: Callable[[], float], seconds: float) -> None:
        self._now = now
        self._start = now()
        self._seconds = seconds
        self._received = 0

    def check(self, octets: int) -> None:
        """Count octets that arrived; raises TransportError if all that is too slow."""
        self._received += octets
        passed = self._now() - self._start
        if passed > self._seconds:
            raise TransportError("The server's answer takes too long; try again later.")
        if self._received < SLOWEST * (passed - GRACE):
            raise TransportError("The server's answer comes too slowly; try again later.")
