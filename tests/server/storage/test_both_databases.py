"""Common behaviour of SQLite and PostgreSQL: migrations both ways, writers, readers, faults."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import IntegrityError

from server.storage.control_models import Account, Token
from server.storage.database import open_database
from server.storage.migration import (
    is_current,
    load_migrations,
    migrate,
    newest_revision,
    with_connection,
)
from server.storage.models import Blob, LogEntry

EVERY = {*Account.metadata.tables, "alembic_version"}


def on(place, work):
    """Return the result of `work` on a new connection."""
    return with_connection(place, work)


def go_down(place, revision):
    """Undo migrations down to `revision`."""

    def undo(connection):
        config = load_migrations()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)

    on(place, undo)


def tables(place):
    """Return the names of the tables."""
    return set(on(place, lambda connection: inspect(connection).get_table_names()))


def differences(connection):
    """Return what the models have and the tables lack, and vice versa."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return compare_metadata(context, Account.metadata)


def test_up_down_and_up_again(place):
    """Each migration is undone completely; migrating up gives the model each time."""
    assert not is_current(place)
    assert migrate(place) is True
    assert migrate(place) is False
    assert ScriptDirectory.from_config(load_migrations()).get_current_head() == newest_revision()
    assert tables(place) == EVERY
    assert on(place, differences) == []
    go_down(place, "0001")
    assert tables(place) == {"submissions", "blobs", "log_entries", "alembic_version"}
    assert not is_current(place)
    go_down(place, "base")
    assert tables(place) == {"alembic_version"}
    assert migrate(place) is True
    assert is_current(place)
    assert on(place, differences) == []


def test_several_processes_migrate_at_once(place):
    """One of them makes the tables, the others find them; none fails."""
    with ThreadPoolExecutor(4) as threads:
        changed = list(threads.map(migrate, [place] * 4))
    assert sorted(changed) == [False, False, False, True]
    assert tables(place) == EVERY


async def add_one(sessions):
    """Add one to a length that was read before, as an operator's decision would."""
    async with sessions.begin() as session:
        row = (await session.scalars(select(Blob).with_for_update())).one()
        length = row.length
        await asyncio.sleep(0)
        row.length = length + 1


async def test_no_writer_loses_what_another_wrote(place):
    """Two operators read, decide and write at the same time; every change is there afterwards."""
    async with open_database(place) as one, open_database(place) as other:
        async with one.begin() as session:
            session.add(Blob(sha256="0" * 64, length=0, verified_at=1))
        await asyncio.gather(*(add_one(sessions) for sessions in [one, other] * 8))
        async with other() as session:
            assert await session.scalar(select(Blob.length)) == 16


async def write_and_fail(sessions, row):
    """Write a row and raise an error."""
    async with sessions.begin() as session:
        session.add(row)
        await session.flush()
        raise ZeroDivisionError


async def test_a_block_that_raises_leaves_nothing(place):
    """A transaction is all or nothing, and a broken constraint is raised to the caller."""
    async with open_database(place) as sessions:
        entry = {"role": "a", "version": 1, "sha256": "0" * 64, "appended_at": 1}
        with pytest.raises(ZeroDivisionError):
            await write_and_fail(sessions, LogEntry(index=0, **entry))
        async with sessions.begin() as session:
            session.add(LogEntry(index=0, **entry))
        with pytest.raises(IntegrityError):
            async with sessions.begin() as session:
                session.add(LogEntry(index=1, **entry))
        async with sessions() as session:
            assert (await session.scalars(select(LogEntry.index))).all() == [0]


async def test_a_row_needs_the_row_that_it_names(place):
    """Foreign keys hold on both."""
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


async def test_a_reader_does_not_wait_for_a_writer(place):
    """Committed data is read while a writing transaction is open."""
    async with open_database(place) as sessions, sessions.begin() as writing:
        writing.add(Blob(sha256="0" * 64, length=0, verified_at=1))
        await writing.flush()
        async with sessions() as session:
            assert await session.scalar(text("SELECT count(*) FROM blobs")) == 0
