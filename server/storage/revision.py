"""Which revision a database is of, asked without alembic: most of the time there is no more to do.

Importing alembic takes longer than many a command does.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, create_engine, inspect, text

from server.storage.engine import BUSY_SECONDS, WRITES, begin_by_hand, make_engine, name_faults
from server.storage.place import Place, PostgresAddress

MIGRATIONS = Path(__file__).with_name("migrations")

T = TypeVar("T")


def is_current(place: Place, migrations: Path = MIGRATIONS) -> bool:
    """Answer whether a database is of the newest of `migrations`; changes nothing."""
    if not isinstance(place, PostgresAddress) and not place.exists():
        return False
    newest = newest_revision(migrations)
    return with_connection(place, lambda c: read_revision(c) == newest, writes=False)


def newest_revision(migrations: Path = MIGRATIONS) -> str:
    """Return the newest revision that there is a migration to; their files begin with it."""
    return max(file.stem.partition("_")[0] for file in (migrations / "versions").glob("*.py"))


def read_revision(connection: Connection) -> str | None:
    """Return the revision that alembic noted in the database; None where it is empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def with_connection(place: Place, work: Callable[[Connection], T], *, writes: bool = True) -> T:
    """Return what `work` returns of a connection, whose transaction is committed then."""
    if isinstance(place, PostgresAddress):
        return asyncio.run(_with_postgres(place, work))
    engine = create_engine(f"sqlite:///{place}", connect_args={"timeout": BUSY_SECONDS})
    begin_by_hand(engine)
    name_faults(engine, place)
    try:
        with engine.execution_options(**{WRITES: writes}).begin() as connection:
            return work(connection)
    finally:
        engine.dispose()


async def _with_postgres(address: PostgresAddress, work: Callable[[Connection], T]) -> T:
    """Do the same on PostgreSQL; the loop is this call's own, so that `work` may block it."""
    engine = make_engine(address)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()
