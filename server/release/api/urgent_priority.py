"""Ordinary requests wait while an urgent request runs, but at most half of the time.

All requests of a process share its interpreter, so each running request delays a halt. Ordinary
requests that have begun continue, and those that have not begun wait.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

LONGEST = 1.0  # seconds without interruption: several times what an undisturbed halt takes
SHORTEST = 0.1  # seconds: long enough for a halt to progress, and short for waiting requests
SPENT = 0.001  # seconds; less counts as zero, because of the accuracy of timers


@dataclass(slots=True)
class PauseBudget:
    """Decides whether ordinary requests wait, by a budget of seconds.

    The budget shrinks while requests wait and grows while they do not. So in any span of time, they
    wait at most `budget` seconds longer than they do not wait.
    """

    budget: float
    remaining: float
    at: float
    is_closed: bool = False

    def update(self, now: float, *, is_wanted: bool) -> bool:
        """Return whether requests wait from `now` on; `is_wanted`: an urgent request is running."""
        passed = max(0.0, now - self.at)
        if self.is_closed:
            self.remaining = max(0.0, self.remaining - passed)
        else:
            self.remaining = min(self.budget, self.remaining + passed)
        self.at = now
        self.is_closed = is_wanted and self.remaining >= (SPENT if self.is_closed else SHORTEST)
        return self.is_closed


class UrgentPriority:
    """Lets ordinary requests of one loop begin while no urgent request runs in any thread.

    Requests that had to wait begin in the order of arrival, one in each iteration of the loop.
    `now` returns seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, longest: float = LONGEST) -> None:
        self._now = now
        self._budget = PauseBudget(longest, longest, now())
        self._lock = threading.Lock()
        self._stopping = 0  # the number of running urgent requests
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next: asyncio.Handle | None = None

    @contextlib.contextmanager
    def stopping(self) -> Iterator[None]:
        """Make ordinary requests wait until the block ends; thread-safe."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    async def enter(self) -> None:
        """Wait until an ordinary request may begin; always call it on the same loop."""
        if not self._waiting and not self._is_closed():
            return
        self._loop = asyncio.get_running_loop()
        turn = self._loop.create_future()
        self._waiting.append(turn)
        if self._next is None:
            self._schedule_check()
        await turn

    def _count(self, number: int) -> None:
        with self._lock:
            self._budget.update(self._now(), is_wanted=self._stopping > 0)
            self._stopping += number
            is_free = not self._budget.update(self._now(), is_wanted=self._stopping > 0)
        if is_free and self._loop is not None and self._waiting:
            self._loop.call_soon_threadsafe(self._admit_now)

    def _is_closed(self) -> bool:
        with self._lock:
            return self._budget.update(self._now(), is_wanted=self._stopping > 0)

    def _admit_now(self) -> None:
        if self._next is not None:
            self._next.cancel()
        self._admit_next()

    def _admit_next(self) -> None:
        """Let the next waiting request begin, if it may."""
        self._next = None
        if not self._is_closed():
            while self._waiting:
                turn = self._waiting.popleft()
                if not turn.done():  # a done one was cancelled
                    turn.set_result(None)
                    break
        if self._waiting:
            self._schedule_check()

    def _schedule_check(self) -> None:
        loop = asyncio.get_running_loop()
        if self._budget.is_closed:
            self._next = loop.call_later(self._budget.remaining, self._admit_next)
        else:
            self._next = loop.call_soon(self._admit_next)


AT_ONCE = 2  # concurrent requests of an account, so that a cancel does not wait for a halt


@dataclass(slots=True)
class _Account:
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    requests: int = 0  # running or waiting for a turn


class AccountTurns:
    """Limits the concurrent urgent requests of each account on one loop to AT_ONCE."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}

    @contextlib.asynccontextmanager
    async def taken(self, name: str) -> AsyncIterator[None]:
        """Wait for a turn of the account `name`, and keep it until the block ends."""
        account = self._accounts.setdefault(name, _Account())
        account.requests += 1
        try:
            async with account.turns:
                yield
        finally:
            account.requests -= 1
            if not account.requests:
                del self._accounts[name]
