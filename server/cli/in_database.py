"""Commands that do one thing in the database."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from server.storage.database import Sessions, open_database
from server.storage.layout import StateFolder

T = TypeVar("T")


def run_in_database(folder: StateFolder, work: Callable[[Sessions], Awaitable[T]]) -> T:
    """Return what `work` returns of the open, migrated database of a state folder."""

    async def act() -> T:
        async with open_database(folder.database) as sessions:
            return await work(sessions)

    return asyncio.run(act())
