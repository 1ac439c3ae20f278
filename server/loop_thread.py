"""A thread with an event loop of its own.

It shares only the interpreter with the other loops of the process, and has its own executor,
connections and locks.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

T = TypeVar("T")


@contextlib.asynccontextmanager
async def opened_in_thread(
    name: str, opening: Callable[[], AbstractAsyncContextManager[T]]
) -> AsyncIterator[tuple[asyncio.AbstractEventLoop, T]]:
    """Enter a context in a new thread's loop until the block ends; yields the loop and its value.

    The loop is of the caller's kind and has its exception handler. Raises what entering or leaving
    the context raises.
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
