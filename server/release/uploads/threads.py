"""Blocking calls on files that an event loop waits for to their end, come what may."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def to_end(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Run `function` in a thread; when the caller is cancelled, first wait for it.

    A file is not closed, and not unlocked, under a thread that still writes to it.
    """
    return await to_its_end(asyncio.to_thread(function, *arguments, **options))


async def to_its_end(call: Coroutine[Any, Any, T]) -> T:
    """Await a call in another thread; when the caller is cancelled, first wait for it."""
    work = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise
