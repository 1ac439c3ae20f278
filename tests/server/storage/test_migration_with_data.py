"""Migrations of a database with data, up, down and up again, on both databases."""

import asyncio
import contextlib
import sqlite3

import pytest
from alembic import command
from sqlalchemy import text

from server.storage.control_models import Account, AuditLogHead
from server.storage.database import open_database
from server.storage.errors import StorageError
from server.storage.migration import is_current, load_migrations, migrate
from server.storage.place import PostgresAddress
from tests.server.storage.test_both_databases import go_down, on

MANY = 600  # more than a batch of any query
COLUMNS = {
    "submissions": "id, status, reason, snapshot, finished_at",
    "blobs": "sha256, length, verified_at",
    "log_entries": '"index", role, version, sha256, appended_at',
}
ROWS = {
    "submissions": [
        ("a" * 64, "published", "", 7, 1_800_000_000),
        ("b" * 64, "refused", "armani 2 is “burned”; sign 3 instead — ĵaŭde.", 0, 1_800_000_001),
    ],
    "blobs": [(f"{number:064x}", 2**40 + number, 1_800_000_000) for number in range(MANY)],
    "log_entries": [
        (number, f"model{number % 7}", 2**52 + number, f"{number:064x}", 1_800_000_000 + number)
        for number in range(MANY)
    ],
}


def fill(connection):
    """Write rows as the first release did, into its three tables."""
    for table, rows in ROWS.items():
        names = [f"v{number}" for number in range(len(rows[0]))]
        values = ", ".join(f":{name}" for name in names)
        statement = text(f"INSERT INTO {table} VALUES ({values})")
        connection.execute(statement, [dict(zip(names, row, strict=True)) for row in rows])


def read(connection):
    """Return the rows of the three tables, with the columns that the first release had."""
    return {
        table: sorted(
            tuple(row) for row in connection.execute(text(f"SELECT {columns} FROM {table}"))
        )
        for table, columns in COLUMNS.items()
    }


@pytest.fixture
def older(place):
    """Give a database of the first revision, with rows in every table."""
    config = load_migrations()

    def make(connection):
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        fill(connection)

    on(place, make)
    assert on(place, read) == {table: sorted(rows) for table, rows in ROWS.items()}
    assert not is_current(place)
    return place


def upgrade(place):
    """Migrate as an operator does: backup first."""
    if isinstance(place, PostgresAddress):
        with pytest.raises(StorageError, match="--backup-made"):
            migrate(place)
        assert on(place, read) == {table: sorted(rows) for table, rows in ROWS.items()}
        return migrate(place, backup_made=True)
    return migrate(place)


def test_rows_survive_up_down_and_up_again(older):
    """The first release's rows are the same, row for row, after each migration."""
    rows = {table: sorted(rows) for table, rows in ROWS.items()}
    assert upgrade(older) is True
    assert on(older, read) == rows
    go_down(older, "0001")
    assert on(older, read) == rows
    assert upgrade(older) is True
    assert on(older, read) == rows
    assert is_current(older)


def test_the_control_plane_begins_empty(older):
    """Its tables exist and can be written; the audit log is empty, after a downgrade too."""

    async def use():
        async with open_database(older) as sessions, sessions.begin() as session:
            head = await session.get(AuditLogHead, 1)
            assert (head.length, head.sha256) == (0, "0" * 64)
            assert await session.get(Account, "eka") is None
            session.add(Account(name="eka", role="viewer", codenames="[]\n", created_at=1))
            head.length = 1

    upgrade(older)
    asyncio.run(use())
    go_down(older, "0001")
    upgrade(older)
    asyncio.run(use())


def test_the_back_up_is_the_database_before(older):
    """Beside a SQLite file there is a copy of the older revision, with exactly its rows."""
    if isinstance(older, PostgresAddress):
        upgrade(older)  # its backup is made with pg_dump, and stated
        assert is_current(older)
        return
    upgrade(older)
    with contextlib.closing(sqlite3.connect(f"{older}.before-0003")) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        assert not tables & {"accounts", "changes", "trail_entries"}
        for table, rows in ROWS.items():
            assert sorted(connection.execute(f"SELECT * FROM {table}")) == sorted(rows)
        assert list(connection.execute("SELECT version_num FROM alembic_version")) == [("0001",)]
