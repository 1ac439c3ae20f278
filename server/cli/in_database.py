"""Commands that do one thing in the database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from server.storage.layout import StateFolder

if TYPE_CHECKING:
    from server.storage.database import Sessions

T = TypeVar("T")


def run_in_database(folder: StateFolder, work: Callable[[Sessions], Awaitable[T]]) -> T:
    """Return what `work` returns of the open, migrated database of a state folder."""
    import asyncio

    from server.storage.database import open_database

    async def act() -> T:
        async with open_database(folder.database) as sessions:
            return await work(sessions)

    return asyncio.run(act())
