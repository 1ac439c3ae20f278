"""Turns: connections with several requests take turns, so that none delays the others.

A single request is answered when it is read. When the work of a turn is used up, a connection's
other requests are queued, and the loop reads from all connections before the next turn. So a poll
waits for the work of one turn, however many requests other connections pipeline.

Work is counted in bytes of answers. A time would depend on the machine, and a number of requests
would make turns with large documents long.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

TURN = 1024 * 1024  # bytes of work in a turn, for all connections: about half a millisecond
PIECE = 256 * 1024  # bytes of work in a row for one connection; a phone's poll is far less
ANSWER = 16 * 1024  # the cost of finding a small answer, as the bytes copied in the same time
# The same cost for beginning to send a file, or for an answer of aiohttp.
SLOW_ANSWER = 256 * 1024


class Turns:
    """The queue of work of a process's connections.

    `budget` is the remaining work of this turn, in bytes. All calls belong to one loop.
    """

    def __init__(self) -> None:
        self.budget = TURN
        self._line: deque[Callable[[], None]] = deque()
        self._is_due = False

    @property
    def is_over(self) -> bool:
        """Whether all further work has to wait for the next turn."""
        return self.budget <= -ANSWER

    def line_up(self, work: Callable[[], None]) -> None:
        """Call `work` once, in this turn or a later one; it queues itself again if not finished."""
        self._line.append(work)
        self._call_soon()

    def spend(self, work: int) -> None:
        """Count finished work, in bytes."""
        self.budget -= work
        self._call_soon()

    def _call_soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self.budget, self._is_due = TURN, False
        while self._line and self.budget > 0:
            self.budget -= ANSWER
            try:
                self._line.popleft()()
            except Exception as error:  # noqa: BLE001 - it must not stop the others
                context = {"message": "a connection's turn failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)
        if self._line:
            self._call_soon()


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one process of a public plane; times in seconds.

    `head_seconds`: from the first byte of a request to the last of its head. `idle_seconds`:
    between two requests of a connection; it is for caches, because a phone closes immediately.
    `stall_seconds`: how long a client may take nothing of an answer. `least_rate`: bytes per second
    of a package on the fast path; a slower client counts as stalled, too. `linger_seconds`: how
    long input is discarded after the last answer, so that the client can read it. `drain_seconds`:
    how long answers under way may take at the end. `connections` and `downloads`: the maximum
    numbers. `fallbacks`: the maximum number of connections that fall back to aiohttp in a second;
    others wait for the next second.
    """

    head_seconds: float = 10.0
    idle_seconds: float = 30.0
    stall_seconds: float = 60.0
    least_rate: int = 1024
    linger_seconds: float = 2.0
    drain_seconds: float = 5.0
    connections: int = 20_000
    downloads: int = 4_000
    fallbacks: int = 1_000


LIMITS = Limits()
