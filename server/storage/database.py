"""The database: sessions on SQLite or PostgreSQL, migrated before they are given."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from server.storage.engine import WRITES, make_engine
from server.storage.migration import migrate
from server.storage.place import Place


class Sessions:
    """Gives sessions: `sessions()` to read in, `sessions.begin()` as a transaction that writes.

    What a session reads is of one moment on SQLite, and committed on PostgreSQL. What `begin` gives
    is committed at the end of its block, or nothing of it where the block raises.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        writing = engine.execution_options(**{WRITES: True})
        self._reading = async_sessionmaker(engine, expire_on_commit=False)
        self._writing = async_sessionmaker(writing, expire_on_commit=False)

    def __call__(self) -> AsyncSession:
        """Return a session to read in."""
        return self._reading()

    def begin(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Give a session whose transaction writes."""
        return self._writing.begin()


@asynccontextmanager
async def open_database(place: Place) -> AsyncIterator[Sessions]:
    """Migrate the database at `place` and give sessions on it until the end."""
    await asyncio.to_thread(migrate, place)
    engine = make_engine(place)
    try:
        yield Sessions(engine)
    finally:
        await engine.dispose()
