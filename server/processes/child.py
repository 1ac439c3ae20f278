"""One worker as the main process sees it: start, snapshots, messages, and exit."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from asyncio import TimerHandle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from server.compat.rendering import Rendered
from server.device.snapshot import EMPTY, Snapshot
from server.processes.delta import Whole, WholeLists, plan_delta, plan_lists
from server.processes.errors import ChannelError
from server.processes.messages import (
    MAIN_DECODER,
    PROTOCOL,
    Channel,
    Counted,
    Drain,
    Failed,
    FromWorker,
    Ready,
    Said,
    Start,
    WorkerConfig,
    open_channel,
)
from server.processes.priority import ProcessStarter

STEP_SECONDS = 1.0  # the interval of signs of life
STEPS = 2  # at least, so that after a long step another one reads the messages that arrived


CallLater = Callable[[float, Callable[[float], None], float], TimerHandle]
"""Calls a function with an argument after some seconds, as an event loop does."""


class Deadline:
    """Calls `act` after `seconds`, counted in steps.

    If the loop stalls for a minute, it reads the messages of that minute late, and its timers fire
    first. So a stall of any length counts as one step.
    """

    def __init__(self, call_later: CallLater, seconds: float, act: Callable[[], None]) -> None:
        self._call_later = call_later
        self._left = seconds
        self._step = min(STEP_SECONDS, seconds / STEPS)
        self._act = act
        self._handle = self._arm()

    def cancel(self) -> None:
        """Cancel the call."""
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


# Variables for the main process only: settings, and those of a service manager.
OUR_VARIABLES = ("HENING_", "LISTEN_", "NOTIFY_SOCKET", "WATCHDOG_", "CREDENTIALS_DIRECTORY")
POLL_SECONDS = 0.01  # between two checks whether a process with a closed channel has ended


@dataclass(frozen=True, slots=True)
class Bounds:
    """The times after which a worker is killed, in seconds.

    Stalls of this process do not count: a worker is not killed because of messages that this
    process did not read.
    """

    start: float = 120.0  # until it serves, with imports and a snapshot of some GB
    taking: float = 30.0  # until it serves a new snapshot, because a halt must reach phones
    silence: float = 10.0  # between two signs of life, which come once a second
    replaced: float = 120.0  # for answers under way when its successor serves: 8 MiB of a download
    grace: float = 5.0  # added to its drain, and for its exit after the last message


@dataclass(frozen=True, slots=True)
class Place:
    """The number and the sockets of a worker; its successors have the same."""

    number: int
    tcp: Sequence[socket.socket]
    unix: Sequence[socket.socket]
    compat: Sequence[socket.socket] = ()


class Child:
    """The process of a worker; call `attend` immediately after the start."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        channel: Channel[FromWorker],
        bounds: Bounds,
        on_counts: Callable[[int, Counted], None],
        say: Callable[[str], None],
    ) -> None:
        self.is_ready = False
        self._process = process
        self._channel = channel
        self._bounds = bounds
        self._on_counts = on_counts
        self._say = say
        self._latest: Snapshot | None = None
        self._sent: Snapshot | None = None
        self._lists: tuple[int, Rendered] | None = None  # the wanted map, after its number
        self._sent_lists = 0
        self._news = asyncio.Event()
        self._begun = asyncio.Event()  # set when it is ready or has ended
        self.reason = ""
        self._starting = self._kill_after(
            bounds.start, "it did not serve within {} seconds and was killed"
        )
        self._taking: tuple[int, Deadline] | None = None
        self._taking_lists: tuple[int, Deadline] | None = None
        self._draining: Deadline | None = None

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def show(self, snapshot: Snapshot) -> None:
        """Make the worker serve `snapshot` as soon as it has received it."""
        self._latest = snapshot
        self._news.set()
        if self.is_ready and self._taking is None:
            sentence = "it did not serve a new snapshot within {} seconds and was killed"
            self._taking = snapshot.version, self._kill_after(self._bounds.taking, sentence)

    def show_lists(self, number: int, rendered: Rendered) -> None:
        """Make the worker serve map `number` of the dialects, after the snapshot."""
        self._lists = number, rendered
        self._news.set()
        if self.is_ready and self._taking_lists is None:
            sentence = "it did not serve new lists within {} seconds and was killed"
            self._taking_lists = number, self._kill_after(self._bounds.taking, sentence)

    def drain(self, seconds: float) -> None:
        """Make the worker finish its answers and end; it is killed soon after `seconds`."""
        if self._draining is not None:
            self._draining.cancel()
        self._draining = self._kill_after(
            seconds + self._bounds.grace, "it did not end within {} seconds and was killed"
        )
        with contextlib.suppress(ConnectionError):
            self._channel.post(Drain(seconds))

    async def wait_ready(self) -> bool:
        """Wait until the worker serves or has ended; return whether it serves."""
        await self._begun.wait()
        return self.is_ready

    async def attend(self) -> str:
        """Exchange messages with the worker until its process has ended; return the reason."""
        feeding = asyncio.create_task(self._feed())
        feeding.add_done_callback(self._kill_unfed)
        try:
            await self._listen()
            status = await self._reap()
            self.reason = self.reason or describe(status)
        finally:
            feeding.cancel()
            self._starting.cancel()
            taking = [each[1] for each in (self._taking, self._taking_lists) if each is not None]
            for timer in (self._draining, *taking):
                if timer is not None:
                    timer.cancel()
            self._kill()
            self._channel.close()
            self._begun.set()
        return self.reason

    async def _listen(self) -> None:
        messages: list[FromWorker] | None = None
        while messages is None or messages:
            bound = self._bounds.silence if self.is_ready else self._bounds.start
            silence = self._kill_after(bound, "it was silent for {} seconds and was killed")
            try:
                messages = await self._channel.receive()
            except ChannelError as error:
                self._fail(str(error))
                return
            finally:
                silence.cancel()
            for message in messages:
                self._take(message)

    def _take(self, message: FromWorker) -> None:
        match message:
            case Ready():
                self.is_ready = True
                self._starting.cancel()
                self._begun.set()
            case Counted():
                self._on_counts(self.pid, message)
                if self._taking is not None and message.version >= self._taking[0]:
                    self._taking[1].cancel()
                    self._taking = None
                if self._taking_lists is not None and message.lists >= self._taking_lists[0]:
                    self._taking_lists[1].cancel()
                    self._taking_lists = None
            case Said():
                self._say(message.sentence)
            case Failed():
                self.reason = message.sentence

    async def _feed(self) -> None:
        """Send differences to the worker's snapshot; several new ones become one difference."""
        with contextlib.suppress(ConnectionError):
            while True:
                await self._news.wait()
                self._news.clear()
                latest, lists = self._latest, self._lists
                if latest is not None and latest is not self._sent:
                    for piece in plan_delta(self._sent or EMPTY, latest):
                        await self._channel.send(piece)
                    await self._channel.send(Whole(latest.version, latest.root))
                    self._sent = latest
                if lists is not None and lists[0] != self._sent_lists:
                    await self._feed_lists(*lists)

    async def _feed_lists(self, number: int, rendered: Rendered) -> None:
        for piece in plan_lists(rendered):
            await self._channel.send(piece)
        await self._channel.send(WholeLists(number))
        self._sent_lists = number

    def _kill_unfed(self, feeding: "asyncio.Task[None]") -> None:
        """Kill the worker if sending fails, because it would continue to serve halted builds."""
        if not feeding.cancelled() and (error := feeding.exception()) is not None:
            known = str(error) if isinstance(error, ChannelError) else type(error).__name__
            self._fail(f"it could not be sent a snapshot: {known}")

    async def _reap(self) -> int:
        try:
            async with asyncio.timeout(self._bounds.grace):
                return await self._wait()
        except TimeoutError:
            self._kill()
            return await self._wait()

    async def _wait(self) -> int:
        while (status := self._process.poll()) is None:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(POLL_SECONDS)
        return status

    def _kill_after(self, seconds: float, sentence: str) -> Deadline:
        reason = sentence.format(f"{seconds:g}")
        loop = asyncio.get_running_loop()
        return Deadline(loop.call_later, seconds, lambda: self._fail(reason))

    def _fail(self, sentence: str) -> None:
        self.reason = sentence
        self._kill()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()


# The beginning of a worker's program. Without garbage collections the imports take four fifths of
# the time; `main` enables collections. A worker prints nothing for people and has no keys, so
# structlog must not import rich, and securesystemslib must not import PKCS #11.
IMPORTS = (
    "import gc, sys; gc.disable(); sys.modules.update(rich=None, pkcs11=None);"
    " from server.processes.worker import main"
)


async def begin(
    place: Place,
    config: WorkerConfig,
    environment: Mapping[str, str],
    bounds: Bounds,
    starter: ProcessStarter,
    on_counts: Callable[[int, Counted], None],
    say: Callable[[str], None],
) -> Child:
    """Start a worker at `place`; it inherits only that place's sockets and its channel."""
    ours, theirs = socket.socketpair()
    groups = place.tcp, place.unix, place.compat
    tcp, unix, compat = (tuple(each.fileno() for each in group) for group in groups)
    # With -P, files in the working folder are not importable.
    command = [sys.executable, "-P", "-c", f"{IMPORTS}; main()"]
    command += [str(theirs.fileno()), str(os.getpid())]
    descriptors = (theirs.fileno(), *tcp, *unix, *compat)
    try:
        process = await starter.begin(command, descriptors, worker_environment(environment), theirs)
    except BaseException:
        ours.close()
        raise
    channel = await open_channel(MAIN_DECODER, ours)
    channel.post(Start(PROTOCOL, config, tcp, unix, compat))
    return Child(process, channel, bounds, on_counts, say)


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for workers, without settings and secrets."""
    return {
        name: value for name, value in environment.items() if not name.startswith(OUR_VARIABLES)
    }


def describe(status: int) -> str:
    """Return how a process ended; `status` is negative for a signal."""
    if status == 0:
        return "it was asked to stop"
    if status < 0:
        return f"it was killed by {signal.Signals(-status).name}"
    return f"it ended with status {status}"
