"""Behaviour that SQLite and PostgreSQL share: migrations, locking and foreign keys."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import IntegrityError

from server.storage.database import (
    is_current,
    load_migrations,
    migrate,
    newest_revision,
    open_database,
    with_connection,
)
from server.storage.errors import StorageError
from server.storage.layout import PostgresAddress
from server.storage.models import Account, AuditLogHead, Blob, Token

EVERY = {*Account.metadata.tables, "alembic_version"}


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))]
)
def place(request, tmp_path):
    """Return the place of a database without tables, on SQLite and PostgreSQL."""
    if request.param == "sqlite":
        return tmp_path / "hening.sqlite"
    return PostgresAddress(request.getfixturevalue("postgres").make_database())


def downgrade(place, revision):
    """Undo migrations down to `revision`."""

    def undo(connection):
        config = load_migrations()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)

    with_connection(place, undo)


def tables(place):
    """Return the names of the tables."""
    return set(with_connection(place, lambda connection: inspect(connection).get_table_names()))


def differences(connection):
    """Return the differences between the models and the tables."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return compare_metadata(context, Account.metadata)


def test_upgrade_and_downgrade(place):
    """Migrations can be undone completely, and lead to the models' tables each time."""
    assert not is_current(place)
    assert migrate(place) is True
    assert migrate(place) is False
    assert ScriptDirectory.from_config(load_migrations()).get_current_head() == newest_revision()
    assert tables(place) == EVERY
    assert with_connection(place, differences) == []
    downgrade(place, "0001")
    assert tables(place) == {"submissions", "blobs", "log_entries", "alembic_version"}
    assert not is_current(place)
    downgrade(place, "base")
    assert tables(place) == {"alembic_version"}
    assert migrate(place) is True
    assert is_current(place)
    assert with_connection(place, differences) == []


def test_simultaneous_migrations(place):
    """Of several simultaneous migrations one makes the tables; none fails."""
    with ThreadPoolExecutor(4) as threads:
        changed = list(threads.map(migrate, [place] * 4))
    assert sorted(changed) == [False, False, False, True]
    assert tables(place) == EVERY


async def add_one(sessions):
    """Read a length under a lock, then add one."""
    async with sessions.begin() as session:
        row = (await session.scalars(select(Blob).with_for_update())).one()
        length = row.length
        await asyncio.sleep(0)
        row.length = length + 1


async def test_simultaneous_writers_lose_no_change(place):
    """Simultaneous read-modify-write transactions lose no change."""
    async with open_database(place) as one, open_database(place) as other:
        async with one.begin() as session:
            session.add(Blob(sha256="0" * 64, length=0, verified_at=1))
        await asyncio.gather(*(add_one(sessions) for sessions in [one, other] * 8))
        async with other() as session:
            assert await session.scalar(select(Blob.length)) == 16


async def test_foreign_keys_are_enforced(place):
    """Foreign keys are enforced."""
    async with open_database(place) as sessions:
        with pytest.raises(IntegrityError):
            async with sessions.begin() as session:
                session.add(
                    Token(
                        id="t",
                        account="nobody",
                        secret_sha256="0" * 64,
                        label="",
                        permissions="[]",
                        created_at=1,
                        expires_at=2,
                    )
                )


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
    """Write rows into the three tables of the first release."""
    for table, rows in ROWS.items():
        names = [f"v{number}" for number in range(len(rows[0]))]
        values = ", ".join(f":{name}" for name in names)
        statement = text(f"INSERT INTO {table} VALUES ({values})")
        connection.execute(statement, [dict(zip(names, row, strict=True)) for row in rows])


def read(connection):
    """Return the rows of these tables, with the first release's columns."""
    return {
        table: sorted(
            tuple(row) for row in connection.execute(text(f"SELECT {columns} FROM {table}"))
        )
        for table, columns in COLUMNS.items()
    }


@pytest.fixture
def older(place):
    """Return a database of the first revision with rows in every table."""
    config = load_migrations()

    def make(connection):
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        fill(connection)

    with_connection(place, make)
    assert with_connection(place, read) == {table: sorted(rows) for table, rows in ROWS.items()}
    assert not is_current(place)
    return place


def upgrade(place):
    """Migrate as an operator does, who makes a backup first."""
    if isinstance(place, PostgresAddress):
        with pytest.raises(StorageError, match="--backup-made"):
            migrate(place)
        assert with_connection(place, read) == {table: sorted(rows) for table, rows in ROWS.items()}
        return migrate(place, backup_made=True)
    return migrate(place)


def test_migrations_keep_rows_and_make_empty_tables(older):
    """Each migration keeps the first release's rows; new tables are empty and writable."""
    rows = {table: sorted(rows) for table, rows in ROWS.items()}

    async def use():
        async with open_database(older) as sessions, sessions.begin() as session:
            head = await session.get(AuditLogHead, 1)
            assert (head.length, head.sha256) == (0, "0" * 64)
            assert await session.get(Account, "eka") is None
            session.add(Account(name="eka", role="viewer", codenames="[]\n", created_at=1))
            head.length = 1

    assert upgrade(older) is True
    assert with_connection(older, read) == rows
    asyncio.run(use())
    downgrade(older, "0001")
    assert with_connection(older, read) == rows
    assert upgrade(older) is True
    assert is_current(older)
    assert with_connection(older, read) == rows
    asyncio.run(use())
