"""A worker as the main process sees it, also after the main process was suspended."""

import asyncio
import contextlib
import heapq
import itertools
import socket
from dataclasses import replace

import pytest

from server.compat.rendering import Rendered
from server.device.documents import make_document
from server.device.snapshot import EMPTY
from server.http.counts import Counts
from server.processes import child as module
from server.processes.child import Bounds, Child, Deadline
from server.processes.delta import Assembly, Whole
from server.processes.errors import ChannelError
from server.processes.messages import (
    MAIN_DECODER,
    WORKER_DECODER,
    Counted,
    Messages,
    Ready,
    encode_message,
    open_channel,
)

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

    async def receive_snapshot(self, before):
        """Receive a difference as the worker, and return the snapshot that follows `before`."""
        reader, assembly = Messages(WORKER_DECODER), Assembly(before)
        while True:
            for message in reader.feed(await asyncio.to_thread(self._end.recv, 65_536)):
                if isinstance(message, Whole):
                    return assembly.finish(message)
                assembly.add(message)

    async def wait_for_heartbeat(self):
        """Wait until a heartbeat was read or the worker has ended."""
        hearing = asyncio.create_task(self._heard.wait())
        await asyncio.wait({hearing, self.attending}, return_when=asyncio.FIRST_COMPLETED)
        hearing.cancel()
        self._heard.clear()

    def advance(self, seconds):
        """Advance the loop's clock, as a suspension does."""
        loop = asyncio.get_running_loop()
        now = loop.time
        loop.time = lambda: now() + seconds


@pytest.fixture
async def starting():
    """Yield a worker that does not serve yet, with the server's limits."""
    ours, theirs = socket.socketpair()
    process, heard = Process(theirs), asyncio.Event()
    channel = await open_channel(MAIN_DECODER, ours)
    child = Child(process, channel, Bounds(), lambda _pid, _counts: heard.set(), print)
    attending = asyncio.create_task(child.attend())
    yield Watched(process, child, theirs, heard, attending)
    attending.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await attending
    theirs.close()


@pytest.fixture
async def watched(starting):
    """Return a serving worker with the server's limits."""
    starting.post(Ready())
    starting.post(Counted(Counts(), 0))
    await starting.wait_for_heartbeat()
    return starting


@pytest.mark.parametrize("seconds", [5, 10.5, 600])
async def test_worker_survives_a_suspended_main_process(watched, seconds):
    """After any suspension, a worker's messages are read before it is judged."""
    for _ in range(3):
        watched.advance(seconds)
        watched.post(Counted(Counts(), 0))
        await watched.wait_for_heartbeat()
        assert not watched.process.is_killed


def show_snapshot(worker, version):
    """Send a snapshot of this version."""
    worker.show(replace(EMPTY, version=version))


def show_lists(worker, number):
    """Send the dialects' map of this number."""
    worker.show_lists(number, Rendered())


@pytest.mark.parametrize(
    ("show", "named"), [(show_snapshot, "a new snapshot"), (show_lists, "new lists")]
)
async def test_worker_that_does_not_serve_new_data_is_killed(watched, show, named):
    """A worker that confirms a snapshot or lists, but not the next ones, is killed.

    It could offer a halted build.
    """
    show(watched.child, 1)
    watched.post(Counted(Counts(), 1, lists=1))
    await watched.wait_for_heartbeat()
    show(watched.child, 2)
    while not watched.process.is_killed:
        watched.advance(1)
        watched.post(Counted(Counts(), 1, lists=1))
        await watched.wait_for_heartbeat()
    assert await watched.attending == f"it did not serve {named} within 30 seconds and was killed"


async def test_worker_that_serves_new_data_is_kept(watched):
    """A worker that confirms a new snapshot and new lists within the limit is kept."""
    show_snapshot(watched.child, 2)
    show_lists(watched.child, 2)
    for _ in range(40):
        watched.post(Counted(Counts(), 2, lists=2))
        await watched.wait_for_heartbeat()
        watched.advance(1)
    assert not watched.process.is_killed


async def test_difference_to_the_last_sent_snapshot(watched):
    """A worker is sent the difference to the snapshot that it was sent before."""
    snapshot = EMPTY
    for version, path in enumerate(("/a", "/b", "/c"), start=1):
        documents = {path: make_document(path, b"", mutable=False)}
        watched.child.show(replace(EMPTY, version=version, documents=documents))
        snapshot = await watched.receive_snapshot(snapshot)
        assert (snapshot.version, list(snapshot.documents)) == (version, [path])


async def test_worker_that_cannot_be_sent_a_snapshot_is_killed(watched, monkeypatch):
    """A worker is killed if it cannot be sent a snapshot, because it would serve the former one."""

    def fail(_before, _after):
        raise ChannelError("a message is over the limit.")

    monkeypatch.setattr(module, "plan_delta", fail)
    show_snapshot(watched.child, 2)
    reason = "it could not be sent a snapshot: a message is over the limit."
    assert await watched.attending == reason
    assert watched.process.is_killed


async def test_silent_worker_is_killed(watched):
    """A worker without a heartbeat is killed once the loop has run for the maximum time."""
    while not watched.process.is_killed:
        watched.advance(1)
        await asyncio.sleep(0)
    assert await watched.attending == SILENT


async def test_worker_may_start_slowly(starting):
    """A worker that loads a large snapshot may be silent for longer than one that serves."""
    while not starting.process.is_killed:
        starting.advance(1)
        await asyncio.sleep(0)
    assert " 120 seconds " in await starting.attending


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

    def advance(self, seconds):
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
def test_deadline(seconds):
    """A deadline passes after its seconds on a running loop, and not before.

    A suspension counts as one step; a deadline needs at least two.
    """
    running, stopped, passed = Clock(), Clock(), []
    Deadline(running.call_later, seconds, lambda: passed.append(running.now))
    while not passed:
        running.advance(0.25)
    assert passed == [seconds]
    Deadline(stopped.call_later, seconds, passed.clear)
    stopped.advance(600)
    assert passed
    for _ in range(29):
        stopped.advance(600)
    assert not passed


def test_cancelled_deadline():
    """A cancelled deadline never passes."""
    clock, passed = Clock(), []
    deadline = Deadline(clock.call_later, 10, lambda: passed.append(clock.now))
    clock.advance(3)
    deadline.cancel()
    for _ in range(20):
        clock.advance(3)
    assert not passed
