"""What is asked of a store of blobs, maybe far away, while everybody waits."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from server.storage.blobs import BlobThreads
from server.storage.errors import StorageError

ANSWER_SECONDS = 5  # until a store is too slow to be waited for

T = TypeVar("T")


async def answer_soon(threads: BlobThreads, ask: Callable[[], T]) -> T:
    """Ask a store of blobs while the lease is held: whoever halts a rollout waits for it.

    Raises what `ask` raises, and StorageError where it lasts. It goes on in one of
    `threads` then. Never called in a transaction, which would hold everybody's database for as
    long.
    """
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await threads.run(ask)
    except TimeoutError as error:
        raise StorageError(
            f"the store of blobs does not answer within {ANSWER_SECONDS} seconds: look at it."
        ) from error
