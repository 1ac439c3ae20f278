"""Ordinary requests wait while a caller stops something: for half of the time at most.

All requests of a process share its interpreter, so each one that is answered makes a halt later.
What was begun goes on; what was not begun yet waits, whatever it asks for and for whomever.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

LONGEST = 1.0  # seconds in a row: several times what a halt takes when it has the interpreter
SHORTEST = 0.1  # seconds: a halt gets on in them, and what waits goes on as soon after
SPENT = 0.001  # seconds that are none: the accuracy of timers


@dataclass(slots=True)
class Closure:
    """Whether the way is closed, by a budget of seconds that grows while it is open.

    So it is closed for at most `budget` seconds longer than it was open, in any span of time.
    """

    budget: float
    left: float
    at: float
    is_closed: bool = False

    def look(self, now: float, *, is_wanted: bool) -> bool:
        """Return whether it is closed from `now` on; `is_wanted`: something is to be stopped."""
        passed = max(0.0, now - self.at)
        if self.is_closed:
            self.left = max(0.0, self.left - passed)
        else:
            self.left = min(self.budget, self.left + passed)
        self.at = now
        self.is_closed = is_wanted and self.left >= (SPENT if self.is_closed else SHORTEST)
        return self.is_closed


class GivingWay:
    """Lets ordinary requests of one loop begin while nothing is being stopped, by any thread.

    They are let in by the order of arrival, one in a turn of the loop. `now` gives seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, longest: float = LONGEST) -> None:
        self._now = now
        self._closure = Closure(longest, longest, now())
        self._lock = threading.Lock()
        self._stopping = 0  # requests under way that stop something
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next: asyncio.Handle | None = None

    @contextlib.contextmanager
    def stopping(self) -> Iterator[None]:
        """Have ordinary requests wait until the block ends; for any thread."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    async def enter(self) -> None:
        """Wait until an ordinary request may begin; on one and the same loop always."""
        if not self._waiting and not self._is_closed():
            return
        self._loop = asyncio.get_running_loop()
        turn = self._loop.create_future()
        self._waiting.append(turn)
        if self._next is None:
            self._look_later()
        await turn

    def _count(self, number: int) -> None:
        with self._lock:
            self._closure.look(self._now(), is_wanted=self._stopping > 0)
            self._stopping += number
            is_free = not self._closure.look(self._now(), is_wanted=self._stopping > 0)
        if is_free and self._loop is not None and self._waiting:
            self._loop.call_soon_threadsafe(self._hurry)

    def _is_closed(self) -> bool:
        with self._lock:
            return self._closure.look(self._now(), is_wanted=self._stopping > 0)

    def _hurry(self) -> None:
        if self._next is not None:
            self._next.cancel()
        self._let_in()

    def _let_in(self) -> None:
        """Let the next one in, unless it is closed."""
        self._next = None
        if not self._is_closed():
            while self._waiting:
                turn = self._waiting.popleft()
                if not turn.done():  # it was cancelled
                    turn.set_result(None)
                    break
        if self._waiting:
            self._look_later()

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        if self._closure.is_closed:
            self._next = loop.call_later(self._closure.left, self._let_in)
        else:
            self._next = loop.call_soon(self._let_in)


AT_ONCE = 2  # of an account: a cancel does not wait for the halt that it was sent after


@dataclass(slots=True)
class _Account:
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    requests: int = 0  # that have a turn or wait for one


class AccountTurns:
    """The turns of one loop."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}

    @contextlib.asynccontextmanager
    async def taken(self, name: str) -> AsyncIterator[None]:
        """Wait for a turn of the account `name`, and have it until the block ends."""
        account = self._accounts.setdefault(name, _Account())
        account.requests += 1
        try:
            async with account.turns:
                yield
        finally:
            account.requests -= 1
            if not account.requests:
                del self._accounts[name]
