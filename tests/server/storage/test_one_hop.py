"""A statement takes one hop to SQLite's thread, and an empty operation takes none."""

import aiosqlite
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from server.storage.database import open_database


@pytest.fixture
async def sessions(tmp_path):
    """Give a database with one existing connection."""
    async with open_database(tmp_path / "database") as sessions:
        async with sessions.begin() as session:
            await session.execute(text("CREATE TABLE things (name TEXT UNIQUE)"))
        yield sessions


@pytest.fixture
def hops(monkeypatch):
    """Give the names of the calls that connections' threads get."""
    names = []
    execute = aiosqlite.Connection._execute

    async def counted(self, function, *arguments, **named):
        names.append(function.__name__)
        return await execute(self, function, *arguments, **named)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    return names


async def test_a_statement_takes_one_hop(hops, sessions):
    """So do begin and end of a transaction."""
    hops.clear()
    async with sessions.begin() as session:
        made = await session.execute(text("INSERT INTO things VALUES ('a'), ('b') RETURNING name"))
        assert made.scalars().all() == ["a", "b"]
        changed = await session.execute(text("UPDATE things SET name = name || 'c'"))
        assert changed.rowcount == 2
    assert hops == ["work", "work", "work", "commit"]


async def test_rows_that_were_read_are_rolled_back_once(hops, sessions):
    """Only an open transaction is rolled back, although the pool rolls back every connection."""
    hops.clear()
    async with sessions() as session:
        await session.execute(text("SELECT name FROM things"))
    assert hops == ["work", "work", "rollback"]


async def test_many_rows_are_written_in_one_hop(hops, sessions):
    """A statement with many sets of parameters is one statement."""
    hops.clear()
    rows = [{"name": str(number)} for number in range(5)]
    async with sessions.begin() as session:
        await session.execute(text("INSERT INTO things VALUES (:name)"), rows)
        count = await session.scalar(text("SELECT count(*) FROM things"))
    assert (count, hops) == (5, ["work", "work", "work", "commit"])


@pytest.mark.parametrize("statement", ["INSERT", "INSERT OR ROLLBACK"])
async def test_a_transaction_that_failed_is_rolled_back(hops, sessions, statement):
    """The next one finds the gate free, even if SQLite has ended it itself, as with a full disk."""
    hops.clear()
    with pytest.raises(IntegrityError):
        async with sessions.begin() as session:
            await session.execute(text(f"{statement} INTO things VALUES ('a'), ('a')"))
    assert "rollback" in hops
    async with sessions.begin() as session:
        assert await session.scalar(text("SELECT count(*) FROM things")) == 0
