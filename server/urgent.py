"""Runs the urgent listener in a separate thread: own loop, executor, connections, publisher.

The two publishers of the process behave as those of two processes: they take turns with the lease.
So a halt waits for other requests only at the interpreter and at that lease.
"""

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from server.alarms import Instruments
from server.publisher.bundle_importer import open_stores
from server.publisher.lease import Lease, Precedence
from server.publisher.publisher import Publisher
from server.publisher.read_back_http import HttpReadBack
from server.release.api.operation import Services, UrgentLoop
from server.release.api.urgent import serving_urgent
from server.release.api.urgent_priority import UrgentPriority
from server.release.rollouts.rollouts import ChangePolicy, Rollouts
from server.settings import Settings
from server.storage.database import open_database
from server.storage.engine import WriteGate
from server.storage.layout import StateFolder
from server.stores import Clock, open_blobs

SWITCH_SECONDS = 0.0001  # Python's default is 0.005
log = structlog.get_logger()
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Turns:
    """State that the two loops share: turns of writing to SQLite, of publishing and of answering.

    `under_way` holds the ids of the changes that either loop is carrying out.
    """

    writing: WriteGate = field(default_factory=WriteGate)
    publishing: Precedence = field(default_factory=Precedence)
    priority: UrgentPriority = field(default_factory=UrgentPriority)
    under_way: set[str] = field(default_factory=set)


@contextlib.asynccontextmanager
async def urgent_thread(
    folder: StateFolder,
    settings: Settings,
    clock: Clock,
    entropy: Callable[[int], bytes],
    url: str,
    tools: Instruments,
    shared: Turns,
    announce: Callable[[int], None],
) -> AsyncIterator[UrgentLoop]:
    """Serve the urgent operations in a new thread until the block ends; yields access to its loop.

    `clock` and `tools` are called from that thread. `url` is the address for phones. `shared` is
    common to both loops. `announce` receives the TCP port, if there is one.
    """

    def opening() -> AbstractAsyncContextManager[tuple[Services, int | None]]:
        return _opened(folder, settings, clock, entropy, url, tools, shared)

    # A thread that waits for the interpreter gets it after this time. A halt waits about 100 times.
    sys.setswitchinterval(SWITCH_SECONDS)
    async with opened_in_thread("urgent", opening) as (loop, (services, port)):
        if port is not None:
            log.info("the urgent listener listens", host=settings.api_host, port=port)
            announce(port)
        yield UrgentLoop(loop, services)


@contextlib.asynccontextmanager
async def _opened(
    folder: StateFolder,
    settings: Settings,
    clock: Clock,
    entropy: Callable[[int], bytes],
    url: str,
    tools: Instruments,
    shared: Turns,
) -> AsyncIterator[tuple[Services, int | None]]:
    # Blocking is harmless: this loop has no other work yet.
    blobs = open_blobs(folder, settings, clock)
    read_back = HttpReadBack(url, folder.public, blobs)
    async with (
        open_database(folder.database, shared.writing, is_urgent=True) as sessions,
        contextlib.AsyncExitStack() as stack,
    ):
        publisher = Publisher(
            folder,
            sessions,
            clock,
            read_back,
            tools.alarm,
            tools.after_step,
            stores=open_stores(folder, blobs),
            lease=Lease(sessions, folder.lock, precedence=shared.publishing, is_urgent=True),
        )
        stack.push_async_callback(publisher.read_backs.stop)
        rollouts = Rollouts(
            folder,
            sessions,
            publisher,
            clock,
            entropy,
            ChangePolicy(settings.rewordings_per_day, settings.approval_channels),
            tools.alarm,
            shared.under_way,
        )
        services = Services(
            folder,
            sessions,
            publisher,
            rollouts,
            clock,
            settings,
            entropy,
            urgent_priority=shared.priority,
        )
        port = await stack.enter_async_context(serving_urgent(services, tools.registry, tools.say))
        yield services, port


@contextlib.asynccontextmanager
async def opened_in_thread(
    name: str, opening: Callable[[], AbstractAsyncContextManager[T]]
) -> AsyncIterator[tuple[asyncio.AbstractEventLoop, T]]:
    """Enter a context in a new thread's loop until the block ends; yields loop and context value.

    The thread shares only the interpreter with the other loops of the process, and has its own
    executor, connections and locks. The loop has the class and the exception handler of the
    caller's loop. Raises what entering or leaving the context raises.
    """
    opened: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, T]] = Future()
    ended: Future[None] = Future()
    here = asyncio.get_running_loop()
    kind, handler = type(here), here.get_exception_handler()

    async def live() -> None:
        asyncio.get_running_loop().set_exception_handler(handler)
        async with opening() as value:
            end = asyncio.Event()
            opened.set_result((asyncio.get_running_loop(), end, value))
            await end.wait()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=kind) as runner:
                runner.run(live())
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that started this one
            (ended if opened.done() else opened).set_exception(error)
        else:
            ended.set_result(None)

    # A daemon, so that a process that ends does not wait for it.
    threading.Thread(target=run, name=name, daemon=True).start()
    try:
        loop, end, value = await asyncio.shield(asyncio.wrap_future(opened))
    except asyncio.CancelledError:
        opened.add_done_callback(_end)
        raise
    try:
        yield loop, value
    finally:
        loop.call_soon_threadsafe(end.set)
        await asyncio.wrap_future(ended)


def _end(opened: "Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, T]]") -> None:
    if opened.exception() is None:
        loop, end, _ = opened.result()
        loop.call_soon_threadsafe(end.set)
