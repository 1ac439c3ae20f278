"""Faults that are injected into a server under load, and the failures that they explain."""

import asyncio
import os
import re
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from soak.load import Failure
from soak.server_process import Complaint, ServerProcess
from soak.waiting import holds_within, is_set_within

AWAY_SECONDS = 2.0
GRACE_SECONDS = 3.0  # after a fault, in which it may still cause failures
BETWEEN_SECONDS = 8.0
REPLACED_SECONDS = 90.0  # a worker may wait for downloads in progress
ALL = ("phones' polls", "other clients", "downloads", "refused", "slow", "silent", "resets")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault and its permitted effects.

    It may fail the kinds of clients `fails`, with results that match the pattern `words`, and log
    lines that contain the pattern `logs`; an empty pattern permits no line.
    """

    name: str
    fails: Sequence[str]
    words: str
    logs: str


KILL = Fault(
    "kill -9 of a worker", ALL, r"Connection\w*Error|IncompleteRead\w*|no answer", r"worker"
)
HANGUP = Fault("SIGHUP: every worker replaced", (), "", "")
BLOBS_AWAY = Fault(
    "blobs away",
    ("downloads",),
    r"404|500|503|Connection\w*Error|IncompleteRead\w*",
    r"blob|package|not there|is gone|targets/",
)


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which a fault may have effects, in seconds since the start of the run."""

    fault: Fault
    begin: float
    end: float

    def explains_failure(self, failure: Failure) -> bool:
        """Return whether the fault explains the failure of a client."""
        return (
            failure.kind in self.fault.fails
            and re.fullmatch(self.fault.words, failure.word) is not None
            and failure.begin <= self.end
            and failure.end >= self.begin
        )

    def explains_complaint(self, complaint: Complaint) -> bool:
        """Return whether the fault explains a line of the log."""
        return (
            bool(self.fault.logs)
            and self.begin <= complaint.at <= self.end
            and re.search(self.fault.logs, complaint.line) is not None
        )


class Injector:
    """Injects one fault after the other, and records the time of each in `windows`."""

    def __init__(self, server: ServerProcess, blobs: Path) -> None:
        self.windows: list[Window] = []
        self._server = server
        self._blobs = blobs

    async def run(self, stop: asyncio.Event) -> None:
        """Inject faults until `stop`; blobs that were moved away are back at the end."""
        acts: list[tuple[Fault, Callable[[], Awaitable[None]]]] = [(BLOBS_AWAY, self._take_blobs)]
        if self._server.workers:
            acts += [(HANGUP, self._hang_up), (KILL, self._kill)]
        turn = 0
        while not await is_set_within(stop, BETWEEN_SECONDS):
            fault, act = acts[turn % len(acts)]
            turn += 1
            begin = self._time()
            await act()
            self.windows.append(Window(fault, begin, self._time() + GRACE_SECONDS))

    async def _take_blobs(self) -> None:
        aside = self._blobs.with_name("blobs-away")
        await asyncio.to_thread(self._blobs.rename, aside)
        try:
            await asyncio.sleep(AWAY_SECONDS)
        finally:
            await asyncio.to_thread(aside.rename, self._blobs)

    async def _hang_up(self) -> None:
        before = set(self._server.workers)
        self._server.signal(signal.SIGHUP)
        await holds_within(
            lambda: (
                not before & set(self._server.workers) and len(self._server.workers) == len(before)
            ),
            REPLACED_SECONDS,
        )

    async def _kill(self) -> None:
        before = self._server.workers
        os.kill(before[0], signal.SIGKILL)
        await holds_within(
            lambda: (
                before[0] not in self._server.workers and len(self._server.workers) == len(before)
            ),
            REPLACED_SECONDS,
        )

    def _time(self) -> float:
        return asyncio.get_running_loop().time() - self._server.begun
