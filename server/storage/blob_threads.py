"""Threads for what asks a store of blobs, apart from those that all other work shares."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

MOST = 8  # threads: they wait for a disk or a network

P = ParamSpec("P")
T = TypeVar("T")


class BlobThreads:
    """A few threads of one owner, begun when needed; what finds none free waits for its turn.

    A store that falls silent keeps whoever asks it for as long as a minute. The threads of
    `asyncio.to_thread` are few, and each publication, halts among them, needs one now.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(MOST, thread_name_prefix="blobs")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do what `asyncio.to_thread` does; who is cancelled leaves a call under way to itself."""
        call = partial(contextvars.copy_context().run, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)
