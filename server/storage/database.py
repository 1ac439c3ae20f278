"""The database: an async engine, and migrations that run before it is used."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import ConnectionPoolEntry

from server.storage.errors import StorageError

MIGRATIONS = Path(__file__).with_name("migrations")
Sessions = async_sessionmaker[AsyncSession]


@asynccontextmanager
async def open_database(path: Path) -> AsyncIterator[Sessions]:
    """Migrate the SQLite file at `path` and give sessions on it until the end."""
    await asyncio.to_thread(migrate, path)
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
    _durable(engine)
    try:
        yield async_sessionmaker(engine, expire_on_commit=False)
    finally:
        await engine.dispose()


def migrate(path: Path) -> bool:
    """Bring the database at `path` to the newest revision, after a copy of it was kept beside it.

    Returns whether anything changed. A crash during the migration leaves the copy
    `NAME.before-REVISION`; SQLite rolls the migration itself back. Raises StorageError for a
    database that a newer version made.
    """
    config, newest = _load_migrations()
    engine = create_engine(f"sqlite:///{path}")
    _transactional(engine)
    try:
        with engine.begin() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            if current == newest:
                return False
            if current is not None:
                _keep_copy(path, path.with_name(f"{path.name}.before-{newest}"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        raise StorageError(
            f"the database cannot be migrated: {error}; run the version that made it, or a newer."
        ) from error
    finally:
        engine.dispose()
    return True


def is_current(path: Path) -> bool:
    """Answer whether the database at `path` is of the newest revision; changes nothing."""
    engine = create_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    return current == _load_migrations()[1]


def _load_migrations() -> tuple[Config, str | None]:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config, ScriptDirectory.from_config(config).get_current_head()


def _transactional(engine: Engine) -> None:
    """Make a migration one transaction: Python's sqlite3 alone would commit each statement."""

    @event.listens_for(engine, "connect")
    def _configure(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")


def _keep_copy(path: Path, copy: Path) -> None:
    """Copy a database with what is in its write-ahead log, which a copy of the file would lack."""
    with (
        contextlib.closing(sqlite3.connect(path)) as source,
        contextlib.closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)


def _durable(engine: AsyncEngine) -> None:
    """Write-ahead log, full sync: a commit that returned survives a power cut."""

    @event.listens_for(engine.sync_engine, "connect")
    def _configure(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
