"""The database on SQLite or PostgreSQL: its migrations, each one transaction, then sessions.

A SQLite file is copied first, as a part of the migration. A PostgreSQL database is not copied, so
its migration needs the operator's confirmation of a backup (ADR 32).
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from server.storage.durable import create_file
from server.storage.engine import (
    BUSY_SECONDS,
    WRITES,
    WriteGate,
    ask_postgres,
    make_engine,
    set_begin_hooks,
    translate_errors,
)
from server.storage.errors import StorageError
from server.storage.layout import Place, PostgresAddress

MIGRATIONS = Path(__file__).with_name("migrations")

_REVISION = "SELECT version_num FROM alembic_version"
_TRIES = 200  # in BUSY_SECONDS, to switch to the write-ahead log

T = TypeVar("T")


class Sessions:
    """Makes sessions: `sessions()` to read, `sessions.begin()` as a transaction that writes.

    On SQLite a session reads one snapshot; on PostgreSQL each statement reads committed rows. A
    session of `begin` is committed at the end of its block, and rolled back if the block raises.
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
    """Migrate the database at `place` to the newest of `migrations`, and yield its sessions.

    All sessions on one SQLite file in one process share its `gate`, where urgent ones go first.
    """
    await asyncio.to_thread(migrate, place, migrations=migrations)
    if isinstance(place, Path):
        await asyncio.to_thread(_narrow, place)
    engine = make_engine(place, gate, is_urgent=is_urgent)
    try:
        yield Sessions(engine)
    finally:
        await engine.dispose()


async def run_again(transaction: Callable[[], Awaitable[T]]) -> T:
    """Run a transaction that creates a missing row, and once more if another one created it first.

    On PostgreSQL two such transactions may both find the row missing, and the second to commit
    violates a constraint. In its second run it finds the row, and raises its own error.
    """
    try:
        return await transaction()
    except IntegrityError:
        return await transaction()


def _narrow(file: Path) -> None:
    """Make a file private, and with it SQLite's auxiliary files: webhooks have secrets."""
    with suppress(PermissionError):  # the file belongs to another user
        if file.stat().st_mode & 0o077:
            file.chmod(0o600)


if TYPE_CHECKING:
    from alembic.config import Config


def is_current(place: Place, migrations: Path = MIGRATIONS) -> bool:
    """Answer whether a database has the newest of `migrations`; changes nothing."""
    if not isinstance(place, PostgresAddress) and not place.exists():
        return False
    newest = newest_revision(migrations)
    found = _read_directly(place)
    if found is not None:
        return found == newest
    return with_connection(place, lambda c: read_revision(c) == newest, writes=False)


def newest_revision(migrations: Path = MIGRATIONS) -> str:
    """Return the newest revision among the migrations; their file names begin with it."""
    return max(file.stem.partition("_")[0] for file in (migrations / "versions").glob("*.py"))


def _read_directly(place: Place) -> str | None:
    """Return the revision, using only the driver; None if that finds none.

    Every start needs it, and with an engine it would take ten times as long.
    """
    if isinstance(place, PostgresAddress):
        return asyncio.run(ask_postgres(place, _REVISION))
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(place, timeout=BUSY_SECONDS)) as connection,
    ):
        for (found,) in connection.execute(_REVISION):
            return str(found)
    return None


def read_revision(connection: Connection) -> str | None:
    """Return the revision that alembic recorded in the database; None if it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text(_REVISION))
    return found


def with_connection(place: Place, work: Callable[[Connection], T], *, writes: bool = True) -> T:
    """Return the result of `work` on a connection, and commit its transaction."""
    if isinstance(place, PostgresAddress):
        return asyncio.run(_with_postgres(place, work))
    engine = create_engine(f"sqlite:///{place}", connect_args={"timeout": BUSY_SECONDS})
    set_begin_hooks(engine)
    translate_errors(engine, place)
    try:
        with engine.execution_options(**{WRITES: writes}).begin() as connection:
            return work(connection)
    finally:
        engine.dispose()


async def _with_postgres(address: PostgresAddress, work: Callable[[Connection], T]) -> T:
    """Do the same on PostgreSQL, in an event loop of this call, which `work` may block."""
    engine = make_engine(address)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


ONE_AT_A_TIME = 0x68656E696E67
"""The advisory lock of a migration; "hening" in ASCII."""


def migrate(place: Place, *, backup_made: bool = False, migrations: Path = MIGRATIONS) -> bool:
    """Migrate a database to the newest of `migrations` in one transaction; returns if it changed.

    Before that a SQLite file is copied to `NAME.before-REVISION`, which a crash leaves. Raises
    StorageError for a database of a newer version, and, without `backup_made`, for an older one on
    PostgreSQL that is not empty.
    """
    if is_current(place, migrations):
        return False
    if not isinstance(place, PostgresAddress):
        create_file(place)  # SQLite gives its log and index files the database's mode
        _write_ahead(place)
    return with_connection(place, lambda c: _upgrade(place, c, migrations, backup_made=backup_made))


def _write_ahead(path: Path) -> None:
    """Switch a file to its write-ahead log before it has tables, for all later connections.

    SQLite does not wait for its lock here, so of two programs that start together one would fail.
    """
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
        for tries_left in reversed(range(_TRIES)):
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if tries_left and "locked" in str(error):
                    time.sleep(BUSY_SECONDS / _TRIES)
                    continue
                raise StorageError(
                    f"the database {path.name} cannot be opened: {error}; see that its folder may"
                    " be written and that no other program holds it."
                ) from error
            return


def load_migrations(migrations: Path = MIGRATIONS) -> "Config":
    """Return alembic's configuration."""
    from alembic.config import Config  # noqa: PLC0415 - as in `_upgrade`

    config = Config()
    config.set_main_option("script_location", str(migrations))
    return config


def _upgrade(place: Place, connection: Connection, migrations: Path, *, backup_made: bool) -> bool:
    # Imported here: a database is seldom migrated, and alembic is a sixth of all imports.
    from alembic import command  # noqa: PLC0415
    from alembic.util.exc import CommandError  # noqa: PLC0415

    config, newest = load_migrations(migrations), newest_revision(migrations)
    if isinstance(place, PostgresAddress):
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_AT_A_TIME})
    current = read_revision(connection)
    if current == newest:  # another process was faster
        return False
    if current is not None and not isinstance(place, PostgresAddress):
        _keep_copy(place, place.with_name(f"{place.name}.before-{newest}"))
    elif current is not None and not backup_made:
        raise StorageError(
            f"the database {place} is of another version: back it up with pg_dump, then run"
            f" `hening-server {'' if migrations == MIGRATIONS else 'cloud '}migrate --backup-made`."
        )
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StorageError(
            f"the database cannot be migrated: {error}; run the version that made it, or a newer."
        ) from error
    return True


def _keep_copy(path: Path, copy: Path) -> None:
    """Copy a database including its write-ahead log, which a file copy would lack."""
    create_file(copy)
    with (
        closing(sqlite3.connect(path)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
