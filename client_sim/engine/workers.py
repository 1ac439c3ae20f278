"""Threads that carry out operations side by side, within a bound on the memory they hold.

Decompressing, hashing and writing happen in C code that lets other threads run. Operations of one
payload never write to the same block, so their order does not matter.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

# Bytes that operations under way may hold together; a larger one runs alone.
MEMORY_BYTES: Final = 8 * 1024 * 1024
# What one that was begun takes beside its data: a package of 20 MB can have 200,000.
_OVERHEAD_BYTES: Final = 4096
# More than this many decoders at once would hold too much memory for their dictionaries.
_MAX_THREADS: Final = 4


class Workers:
    """A context manager: leaving it waits until all that was begun has ended."""

    def __init__(self, threads: int | None = None) -> None:
        count = threads or min(_MAX_THREADS, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="engine")
        self._held = 0
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=True)

    def start(self, job: Callable[[], None], memory: int) -> Future[None]:
        """Let a thread do `job`, which holds `memory` bytes; waits until there is room for it."""
        memory += _OVERHEAD_BYTES
        with self._changed:
            self._changed.wait_for(lambda: self._held == 0 or self._held + memory <= MEMORY_BYTES)
            self._held += memory
        future = self._pool.submit(job)
        future.add_done_callback(lambda _: self._give_back(memory))
        return future

    def _give_back(self, memory: int) -> None:
        with self._changed:
            self._held -= memory
            self._changed.notify_all()
