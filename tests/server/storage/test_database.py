"""SQLite migrations: repeated, interrupted, and from a newer version; and durability."""

import asyncio
import contextlib
import shutil
import sqlite3
import stat

import pytest
from alembic import op
from sqlalchemy import select, text

from server.storage import database
from server.storage.database import is_current, migrate, open_database
from server.storage.errors import StorageError
from server.storage.models import LogEntry

FURTHER = '''"""A further migration."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create a table."""
    op.create_table("more", sa.Column("id", sa.Integer(), primary_key=True))
'''


def query(path, sql):
    """Return all rows of a query."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def tables(path):
    """Return the names of the tables."""
    return {name for (name,) in query(path, "SELECT name FROM sqlite_master WHERE type = 'table'")}


@pytest.fixture
def further_migration(tmp_path):
    """Return the migrations of a later version, which has one more."""
    folder = tmp_path / "migrations"
    shutil.copytree(database.MIGRATIONS, folder)
    (folder / "versions" / "0004_more.py").write_text(FURTHER)
    return folder


async def commit_and_crash(path, crashed):
    """Commit a row, and copy the files as a crash would leave them."""
    async with open_database(path) as sessions:
        async with sessions.begin() as session:
            session.add(LogEntry(index=0, role="a", version=1, sha256="0" * 64, appended_at=1))
        await asyncio.to_thread(shutil.copytree, path.parent, crashed)


def test_copy_before_a_migration_has_the_write_ahead_log(tmp_path, further_migration):
    """The copy made before a migration has data that was only in the write-ahead log.

    It is readable for its owner only, because it has the same secrets.
    """
    (tmp_path / "state").mkdir()
    asyncio.run(commit_and_crash(tmp_path / "state" / "hening.sqlite", tmp_path / "crashed"))
    path = tmp_path / "crashed" / "hening.sqlite"
    assert migrate(path, migrations=further_migration) is True
    copy = path.with_name("hening.sqlite.before-0004")
    assert "more" in tables(path) - tables(copy)
    assert query(copy, "SELECT role FROM log_entries") == [("a",)]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


def test_failed_migration_is_rolled_back(tmp_path, monkeypatch):
    """A failed migration is rolled back as a whole, and the next run completes it."""
    path = tmp_path / "hening.sqlite"
    create = op.create_table
    with monkeypatch.context() as patch:

        def fail(name, *columns):
            if name == "log_entries":
                raise OSError("the disk is full")
            return create(name, *columns)

        patch.setattr(op, "create_table", fail)
        with pytest.raises(OSError, match="disk is full"):
            migrate(path)
    assert tables(path) == set()
    assert migrate(path) is True


def test_database_of_a_newer_version(tmp_path):
    """A database of an unknown version is refused, and the error names the version."""
    path = tmp_path / "hening.sqlite"
    migrate(path)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(StorageError, match="0999"):
        migrate(path)


async def test_commits_are_durable(tmp_path):
    """Connections use write-ahead logging with full synchronisation."""
    async with open_database(tmp_path / "hening.sqlite") as sessions, sessions() as session:
        connection = await session.connection()
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2)):
            row = (await connection.exec_driver_sql(f"PRAGMA {pragma}")).one()
            assert row[0] == value


async def test_transaction_of_another_process_does_not_end(tmp_path, monkeypatch):
    """If another process stays in a transaction, the error says how to find it."""
    monkeypatch.setattr("server.storage.engine.BUSY_SECONDS", 0)
    path, change = tmp_path / "hening.sqlite", text("UPDATE leases SET expires_at = 0")

    async def write(sessions):
        async with sessions.begin() as session:
            await session.execute(change)

    async with (
        open_database(path) as sessions,
        open_database(path) as others,
        sessions.begin() as session,
    ):
        await session.execute(change)
        message = r"is locked for over 0 seconds: .* `fuser hening.sqlite`"
        with pytest.raises(StorageError, match=message):
            await write(others)


async def test_database_files_are_private(tmp_path):
    """The database and its side files are readable for their owner only."""
    file = tmp_path / "hening.sqlite"
    for _ in range(2):
        async with open_database(file) as sessions, sessions() as session:
            await session.execute(select(LogEntry))
            found = await asyncio.to_thread(lambda: sorted(tmp_path.glob("hening.sqlite*")))
            assert len(found) == 3
            assert {stat.S_IMODE(path.stat().st_mode) for path in found} == {0o600}
        await asyncio.to_thread(file.chmod, 0o644)


def test_switch_to_write_ahead_logging_is_retried(tmp_path, monkeypatch):
    """Switching a new database to write-ahead logging is retried if it is locked.

    SQLite itself does not wait for this lock.
    """
    path = tmp_path / "new.sqlite"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as first:
        first.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(database, "BUSY_SECONDS", 0)
        monkeypatch.setattr(database.time, "sleep", lambda _: first.execute("COMMIT"))
        assert migrate(path)
    assert is_current(path)
