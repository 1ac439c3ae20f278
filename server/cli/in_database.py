"""Commands that do one thing in the database."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
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


def show_time(seconds: int | None) -> str:
    """Return epoch seconds as people read them, in UTC; nothing for None."""
    if seconds is None:
        return ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
