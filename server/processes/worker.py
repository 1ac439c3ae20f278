"""A worker: serves phones and apps on inherited sockets, with snapshots from the main process.

Its arguments are DESCRIPTOR and PARENT. Everything else comes over the channel at DESCRIPTOR, also
secrets, so that they are in no environment and no command line. The worker has no key of the
repository and writes nothing. When the channel or the process PARENT ends, the worker ends
immediately, because a halt would not reach its phones.
"""

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import uvloop

from server.compat.lists import Lists
from server.core.errors import HeningError
from server.device.snapshot import EMPTY
from server.http.turns import LIMITS
from server.observability import describe_unexpected
from server.processes.delta import Assembly, ListPiece, Piece, Whole, WholeLists, add_piece
from server.processes.errors import ChannelError
from server.processes.messages import (
    PROTOCOL,
    WORKER_DECODER,
    Channel,
    Counted,
    Drain,
    Failed,
    Ready,
    Said,
    Start,
    ToWorker,
    WorkerConfig,
    open_channel,
)
from server.processes.serving import Serving
from server.storage.blobs import BlobReader
from server.storage.local_blobs import LocalBlobs
from server.storage.s3_blobs import S3Blobs

_PR_SET_PDEATHSIG = 1


def exit_with(parent: int) -> None:
    """Make the kernel kill this process when process `parent` ends; exit if it has ended.

    On systems other than Linux it only does the latter. Raises OSError if the kernel refuses.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL)) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    # If the parent ended before the call, no signal comes.
    if os.getppid() != parent:
        os._exit(1)


COUNTS_SECONDS = 1.0  # between two messages of counts, which are also the sign of life


class Worker:
    """The state of one worker: start, snapshots, drain."""

    def __init__(self, channel: Channel[ToWorker], stack: contextlib.AsyncExitStack) -> None:
        self._channel = channel
        self._stack = stack
        self._serving: Serving | None = None
        self._start: Start | None = None
        self._snapshot = EMPTY
        self._assembly: Assembly | None = None
        self._version = EMPTY.version  # the served version, which is not always the received one
        self._lists: Lists | None = None  # the received part of the next map
        self._number = 0  # the number of the dialects' map that is served
        self._is_ready = False
        self._said: set[str] = set()
        self._drain: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def follow_messages(self) -> None:
        """Handle the main process's messages until the channel ends."""
        while messages := await self._channel.receive():
            for message in messages:
                await self._do(message)

    async def end(self) -> None:
        """Wait for the message to drain, drain, and send the last counts."""
        seconds = await self._drain
        if self._serving is not None:
            await self._serving.drain(seconds)
        await self._send_counts()

    async def send_counts(self) -> None:
        """Send counts until cancelled."""
        while True:
            await asyncio.sleep(COUNTS_SECONDS)
            await self._send_counts()

    async def _send_counts(self) -> None:
        if (serving := self._serving) is not None:
            counts, compat = serving.counts, serving.compat_counts
            await self._channel.send(Counted(counts, self._version, compat, self._number))

    def drain(self, seconds: float = LIMITS.drain_seconds) -> None:
        """Begin to drain; SIGTERM to a worker does this, too."""
        if not self._drain.done():
            self._drain.set_result(seconds)

    def say(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Report an exception in a callback, each sentence once."""
        sentence = describe_unexpected(context)
        if sentence not in self._said:
            self._said.add(sentence)
            self._channel.post(Said(sentence))

    async def _do(self, message: ToWorker) -> None:
        match message:
            case Start():
                if message.protocol != PROTOCOL or self._start is not None:
                    raise ChannelError(
                        "the code on disk has another version than the running server: restart"
                        " the service instead of its workers."
                    )
                self._start = message
                self._serving = Serving(message.config, open_reader(message.config), time.time)
            case Piece():
                if self._assembly is None:
                    self._assembly = Assembly(self._snapshot)
                self._assembly.add(message)
            case Whole():
                await self._swap(message)
            case ListPiece():
                self._lists = self._lists or Lists()
                add_piece(self._lists, message)
            case WholeLists():
                await self._swap_lists(message)
            case Drain():
                self.drain(message.seconds)

    async def _swap(self, message: Whole) -> None:
        if self._serving is None or self._start is None:
            raise ChannelError("a snapshot came before the start message.")
        assembly = self._assembly or Assembly(self._snapshot)
        self._assembly = None
        self._snapshot = assembly.finish(message)
        await self._serving.show(self._snapshot)
        self._version = self._snapshot.version
        if not self._is_ready:
            self._is_ready = True
            gc.collect()
            gc.freeze()  # loaded objects stay for long, so collections skip them
            groups = self._start.tcp, self._start.unix, self._start.compat
            serving = self._serving.listening(*map(_take_over, groups))
            await self._stack.enter_async_context(serving)
            await self._channel.send(Ready())

    async def _swap_lists(self, message: WholeLists) -> None:
        if self._serving is None:
            raise ChannelError("a map of dialects came before the start message.")
        lists, self._lists = self._lists or Lists(), None
        await self._serving.show_lists(lists)
        self._number = message.number


def open_reader(config: WorkerConfig) -> BlobReader:
    """Return the store that packages are read from."""
    if isinstance(config.blobs, str):
        return LocalBlobs(Path(config.blobs))
    return S3Blobs(config.blobs, lambda: datetime.now(UTC))


async def work(end: socket.socket) -> int:
    """Run one worker over `end` of a channel; returns the exit status."""
    channel = await open_channel(WORKER_DECODER, end)
    async with contextlib.AsyncExitStack() as stack:
        worker = Worker(channel, stack)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(worker.say)
        loop.add_signal_handler(signal.SIGTERM, worker.drain)
        tasks = [
            asyncio.create_task(each())
            for each in (worker.follow_messages, worker.send_counts, worker.end)
        ]
        following, _, ending = tasks
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            await _give_up(channel, following)
        for task in tasks:
            task.cancel()
        # Connections that are still open have outlived the drain.
    channel.close()
    return 0


async def _give_up(channel: Channel[ToWorker], following: "asyncio.Task[None]") -> NoReturn:
    """Send the reason if the channel is open, and exit immediately, even with answers under way."""
    error = following.exception() if following.done() else None
    if error is not None:
        known = isinstance(error, HeningError | OSError)
        sentence = str(error) if known else f"an unexpected {type(error).__name__}."
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(COUNTS_SECONDS):
                await channel.send(Failed(sentence))
                channel.close()
                await channel.wait_closed()
    os._exit(1)


def _take_over(descriptors: tuple[int, ...]) -> list[socket.socket]:
    sockets = []
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
        one = socket.socket(fileno=descriptor)
        one.setblocking(False)
        sockets.append(one)
    return sockets


def main() -> NoReturn:
    """Run a worker."""
    gc.enable()
    descriptor, parent = map(int, sys.argv[1:])
    exit_with(parent)
    os.set_inheritable(descriptor, False)
    sys.exit(uvloop.run(work(socket.socket(fileno=descriptor))))


if __name__ == "__main__":
    main()
