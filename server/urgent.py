"""The urgent listener in a thread of its own: loop, executor, database connections, publisher.

Two publishers of one process behave as two processes do: they take turns with the lease. So a halt
waits for other requests only at the interpreter and at that lease.
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
from server.publisher.lease import Precedence
from server.publisher.publisher import Publisher
from server.publisher.read_back_http import HttpReadBack
from server.release.api.operation import Services
from server.release.api.urgent import OtherLoop, serving_urgent
from server.release.api.urgent_priority import UrgentPriority
from server.release.rollouts.rollouts import Rollouts
from server.settings import Settings
from server.storage.database import open_database
from server.storage.engine import WriteGate
from server.storage.layout import StateFolder
from server.stores import Clock, open_blobs

SWITCH_SECONDS = 0.0001  # of Python's 0.005
log = structlog.get_logger()
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Turns:
    """What the loops of a process share: the turns of writing to SQLite, publishing, answering.

    `under_way` holds the ids of the changes that one of them is carrying out.
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
) -> AsyncIterator[OtherLoop]:
    """Serve the urgent operations until the block ends; yields the access to its loop.

    `clock` and `tools` are called from that thread. `url` is the address for phones. `shared` is
    common to this and the other loop. `announce` receives the TCP port, if there is one.
    """

    def opening() -> AbstractAsyncContextManager[tuple[Services, int | None]]:
        return _opened(folder, settings, clock, entropy, url, tools, shared)

    # A thread that waits for the interpreter gets it after this time; a halt waits a hundred times.
    sys.setswitchinterval(SWITCH_SECONDS)
    async with opened_in_thread("urgent", opening) as (loop, (services, port)):
        if port is not None:
            log.info("what stops things listens", host=settings.api_host, port=port)
            announce(port)
        yield OtherLoop(loop, services)


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
    blobs = open_blobs(folder, settings, clock)  # this loop has no other work yet
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
            blobs,
            precedence=shared.publishing,
            is_urgent=True,
        )
        stack.push_async_callback(publisher.read_backs.stop)
        rollouts = Rollouts(
            folder,
            sessions,
            publisher,
            clock,
            entropy,
            settings.approval_channels,
            tools.alarm,
            shared.under_way,
            rewordings=settings.rewordings_per_day,
        )
        services = Services(
            folder,
            sessions,
            publisher,
            clock,
            settings,
            entropy,
            rollouts=rollouts,
            urgent_priority=shared.priority,
        )
        port = await stack.enter_async_context(serving_urgent(services, tools.registry, tools.say))
        yield services, port


@contextlib.asynccontextmanager
async def opened_in_thread(
    name: str, opening: Callable[[], AbstractAsyncContextManager[T]]
) -> AsyncIterator[tuple[asyncio.AbstractEventLoop, T]]:
    """Enter a context in a new thread's loop until the block ends; yields the loop and its value.

    The thread shares only the interpreter with the other loops of the process, and has its own
    executor, connections and locks. The loop is of the caller's kind and has its exception handler.
    Raises what entering or leaving the context raises.
    """
    opened: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, T]] = Future()
    ended: Future[None] = Future()
    here = asyncio.get_running_loop()
    kind, handler = type(here), here.get_exception_handler()

    async def live() -> None:
        asyncio.get_running_loop().set_exception_handler(handler)
        async with opening() as given:
            end = asyncio.Event()
            opened.set_result((asyncio.get_running_loop(), end, given))
            await end.wait()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=kind) as runner:
                runner.run(live())
        except BaseException as error:  # noqa: BLE001 - it is raised where the thread was begun
            (ended if opened.done() else opened).set_exception(error)
        else:
            ended.set_result(None)

    # A killed process does not wait for it.
    threading.Thread(target=run, name=name, daemon=True).start()
    try:
        loop, end, given = await asyncio.shield(asyncio.wrap_future(opened))
    except asyncio.CancelledError:
        opened.add_done_callback(_end)
        raise
    try:
        yield loop, given
    finally:
        loop.call_soon_threadsafe(end.set)
        await asyncio.wrap_future(ended)


def _end(opened: "Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, T]]") -> None:
    if opened.exception() is None:
        loop, end, _ = opened.result()
        loop.call_soon_threadsafe(end.set)
