"""The database: sessions on SQLite or PostgreSQL, after its migration."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from server.storage.engine import WRITES, WriteGate, make_engine
from server.storage.migration import MIGRATIONS, migrate
from server.storage.place import Place

Made = TypeVar("Made")


class Sessions:
    """Makes sessions: `sessions()` to read, `sessions.begin()` as a transaction that writes.

    What a session reads is of one moment on SQLite, and committed on PostgreSQL. A session of
    `begin` is committed at the end of its block, and rolled back where the block raises.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        writing = engine.execution_options(**{WRITES: True})
        self._reading = async_sessionmaker(engine, expire_on_commit=False)
        self._writing = async_sessionmaker(writing, expire_on_commit=False)

    def __call__(self) -> AsyncSession:
        """Return a session for reading."""
        return self._reading()

    def begin(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Return a session whose transaction writes."""
        return self._writing.begin()


@asynccontextmanager
async def open_database(
    place: Place,
    gate: WriteGate | None = None,
    *,
    is_urgent: bool = False,
    migrations: Path = MIGRATIONS,
) -> AsyncIterator[Sessions]:
    """Migrate the database at `place` to the newest of `migrations`, and yield sessions on it.

    Users of one SQLite file in one process share its `gate`, at which urgent sessions are first.
    """
    await asyncio.to_thread(migrate, place, migrations=migrations)
    if isinstance(place, Path):
        await asyncio.to_thread(_narrow, place)
    engine = make_engine(place, gate, is_urgent=is_urgent)
    try:
        yield Sessions(engine)
    finally:
        await engine.dispose()


async def run_again(transaction: Callable[[], Awaitable[Made]]) -> Made:
    """Run a transaction that looks for what it makes, and once more where another was faster.

    On PostgreSQL two that make the same both see that it is not there, and the second to commit
    breaks a rule of the table. The second time it sees what is there, and refuses in its own words.
    """
    try:
        return await transaction()
    except IntegrityError:
        return await transaction()


def _narrow(file: Path) -> None:
    """Make a file private, and those that SQLite makes beside it: webhooks have secrets."""
    with suppress(PermissionError):  # it belongs to another user
        if file.stat().st_mode & 0o077:
            file.chmod(0o600)
