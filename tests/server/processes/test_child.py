"""A worker as the main process sees it, after the main process was suspended."""

import asyncio
import contextlib
import heapq
import itertools
import socket

import pytest

from server.compat.rendering import Rendered
from server.http.counts import Counts
from server.processes.child import Bounds, Child, Deadline
from server.processes.messages import MAIN_DECODER, Counted, Ready, encode_message, open_channel

SILENT = "it was silent for 10 seconds and was killed"


class Process:
    """A fake process of a worker, which ends when it is killed."""

    pid = 1

    def __init__(self, end):
        self._end = end
        self.is_killed = False

    def poll(self):
        """Return the exit status, or None."""
        return -9 if self.is_killed else None

    def kill(self):
        """End the process and close its end of the channel."""
        self.is_killed = True
        self._end.close()


class Watched:
    """A supervised worker, on a loop with a test clock."""

    def __init__(self, process, child, end, heard, attending):
        self.child = child
        self.process, self._end, self._heard = process, end, heard
        self.attending = attending

    def post(self, message):
        """Send a message as the worker, to be read when the loop runs again."""
        self._end.sendall(encode_message(message))

    async def hear(self):
        """Wait until a heartbeat was read or the worker has ended."""
        hearing = asyncio.create_task(self._heard.wait())
        await asyncio.wait({hearing, self.attending}, return_when=asyncio.FIRST_COMPLETED)
        hearing.cancel()
        self._heard.clear()

    def turn(self, seconds):
        """Advance the loop's clock, as a suspension does."""
        loop = asyncio.get_running_loop()
        now = loop.time
        loop.time = lambda: now() + seconds


@pytest.fixture
async def watched():
    """Yield a serving worker with the server's limits."""
    ours, theirs = socket.socketpair()
    process, heard = Process(theirs), asyncio.Event()
    channel = await open_channel(MAIN_DECODER, ours)
    child = Child(process, channel, Bounds(), lambda _pid, _counts: heard.set(), print)
    attending = asyncio.create_task(child.attend())
    made = Watched(process, child, theirs, heard, attending)
    made.post(Ready())
    made.post(Counted(Counts(), 0))
    await made.hear()
    yield made
    attending.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await attending
    theirs.close()


@pytest.mark.parametrize("seconds", [5, 10.5, 600])
async def test_a_worker_is_heard_after_the_main_process_stood_still(watched, seconds):
    """After any suspension, a worker's messages are read before it is judged."""
    for _ in range(3):
        watched.turn(seconds)
        watched.post(Counted(Counts(), 0))
        await watched.hear()
        assert not watched.process.is_killed


async def test_a_worker_that_does_not_take_lists_is_killed(watched):
    """A worker that does not confirm new lists is killed, because it could offer a halted build."""
    watched.child.show_lists(2, Rendered())
    while not watched.process.is_killed:
        watched.turn(1)
        watched.post(Counted(Counts(), 0, lists=1))
        await watched.hear()
    assert await watched.attending == "it did not serve new lists within 30 seconds and was killed"


async def test_a_worker_that_takes_lists_lives(watched):
    """A worker that confirms new lists within the limit is kept."""
    watched.child.show_lists(2, Rendered())
    watched.post(Counted(Counts(), 0, lists=2))
    await watched.hear()
    for _ in range(40):
        watched.turn(1)
        watched.post(Counted(Counts(), 0, lists=2))
        await watched.hear()
    assert not watched.process.is_killed


async def test_a_worker_that_is_silent_is_killed(watched):
    """A worker without a heartbeat is killed once the loop has run for the maximum time."""
    while not watched.process.is_killed:
        watched.turn(1)
        await asyncio.sleep(0)
    assert await watched.attending == SILENT


class Clock:
    """A clock that runs due calls when advanced, as a loop does after a suspension."""

    def __init__(self):
        self.now = 0.0
        self._due = []
        self._numbers = itertools.count()

    def call_later(self, delay, callback, *arguments):
        """Schedule a call."""
        entry = [self.now + delay, next(self._numbers), callback, arguments]
        heapq.heappush(self._due, entry)
        return Handle(entry)

    def turn(self, seconds):
        """Advance the clock and run due calls."""
        self.now += seconds
        due, self._due = self._due, []
        for entry in due:
            if entry[0] > self.now:
                heapq.heappush(self._due, entry)
            elif entry[2] is not None:
                entry[2](*entry[3])


class Handle:
    """Cancels a call."""

    def __init__(self, entry):
        self._entry = entry

    def cancel(self):
        """Cancel the call."""
        self._entry[2] = None


@pytest.mark.parametrize("seconds", [0.5, 1.5, 10.0, 30.0])
def test_a_deadline(seconds):
    """A deadline passes after its seconds on a running loop, and not before.

    A suspension counts as one step; a deadline needs at least two.
    """
    running, stopped, passed = Clock(), Clock(), []
    Deadline(running.call_later, seconds, lambda: passed.append(running.now))
    while not passed:
        running.turn(0.25)
    assert passed == [seconds]
    Deadline(stopped.call_later, seconds, passed.clear)
    stopped.turn(600)
    assert passed
    for _ in range(29):
        stopped.turn(600)
    assert not passed


def test_a_deadline_that_is_cancelled():
    """A cancelled deadline never passes."""
    clock, passed = Clock(), []
    deadline = Deadline(clock.call_later, 10, lambda: passed.append(clock.now))
    clock.turn(3)
    deadline.cancel()
    for _ in range(20):
        clock.turn(3)
    assert not passed
