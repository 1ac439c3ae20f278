"""Blocking calls on files that an event loop waits for to their end, come what may."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from server.storage.blob_threads import BlobThreads

P = ParamSpec("P")
T = TypeVar("T")
_THREADS = BlobThreads()
"""Of all uploads: clients may send many at once, and publishing needs the loop's own threads."""


async def to_end(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Run `function` in a thread; when the caller is cancelled, first wait for it.

    A file is not closed, and not unlocked, under a thread that still writes to it.
    """
    return await to_its_end(_THREADS.run(function, *arguments, **options))


async def to_its_end(call: Coroutine[Any, Any, T]) -> T:
    """Await a call in another thread; when the caller is cancelled, first wait for it."""
    work = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise
