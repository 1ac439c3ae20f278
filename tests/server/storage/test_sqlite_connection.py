"""A statement takes one hop to SQLite's thread, and an empty operation none."""

import asyncio
import threading

import aiosqlite
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from server.storage import engine
from server.storage.database import open_database
from server.storage.errors import StorageError
from server.storage.sqlite_connection import execute_later, execute_together


@pytest.fixture
async def sessions(tmp_path):
    """Yield the sessions of a database that has an open connection."""
    async with open_database(tmp_path / "database") as sessions:
        async with sessions.begin() as session:
            await session.execute(text("CREATE TABLE things (name TEXT UNIQUE)"))
        yield sessions


@pytest.fixture
def hops(monkeypatch):
    """Return the list of calls that are passed to the connections' threads."""
    names = []
    execute = aiosqlite.Connection._execute

    async def counted(self, function, *arguments, **named):
        names.append(getattr(function, "__name__", "work"))
        return await execute(self, function, *arguments, **named)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    return names


async def test_each_statement_takes_one_hop(hops, sessions):
    """Each statement takes one hop to the thread, as does the end of a transaction.

    The begin runs in the first statement's hop. A statement with several sets of parameters is one
    statement. A transaction without a statement takes no hop; only an open one is rolled back,
    although the pool rolls back every connection.
    """
    hops.clear()
    async with sessions.begin() as session:
        made = await session.execute(text("INSERT INTO things VALUES ('a'), ('b') RETURNING name"))
        assert made.scalars().all() == ["a", "b"]
        changed = await session.execute(text("UPDATE things SET name = name || 'c'"))
        assert changed.rowcount == 2
        rows = [{"name": str(number)} for number in range(5)]
        await session.execute(text("INSERT INTO things VALUES (:name)"), rows)
    assert hops == ["work", "work", "work", "commit"]
    hops.clear()
    async with sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM things")) == 7
    assert hops == ["work", "rollback"]
    hops.clear()
    async with sessions.begin() as session:
        await session.connection()
    assert hops == []


async def test_deferred_statements(hops, sessions):
    """A deferred statement takes no hop, and is lost if the transaction is rolled back.

    Its error is raised by the commit, and the next transaction sees nothing of it.
    """
    insert, count = "INSERT INTO things VALUES (?)", text("SELECT count(*) FROM things")
    async with sessions() as session:
        await execute_later(await session.connection(), insert, [("a",), ("a",)])
        with pytest.raises(IntegrityError):
            await session.commit()
    async with sessions.begin() as session:
        assert await session.scalar(count) == 0
    hops.clear()
    for is_kept in (False, True):
        async with sessions.begin() as session:
            await execute_later(await session.connection(), insert, [("a",), ("b",)])
            if not is_kept:
                await session.rollback()
    assert len(hops) == 1  # the commit
    async with sessions() as session:
        assert (await session.scalars(text("SELECT name FROM things"))).all() == ["a", "b"]


async def test_statements_executed_together_take_one_hop(hops, sessions):
    """Statements executed together take one hop, and return the result or raise the error.

    Work that waits for anything else is refused, because it would stop the thread.
    """

    async def work(session):
        await session.execute(text("INSERT INTO things VALUES ('a')"))
        return await session.scalar(text("SELECT count(*) FROM things"))

    hops.clear()
    async with sessions.begin() as session:
        assert await execute_together(session, work(session)) == 1
    assert len(hops) == 2
    with pytest.raises(IntegrityError):
        async with sessions.begin() as session:
            await execute_together(session, work(session))
    async with sessions() as session:
        with pytest.raises(AssertionError, match="something other"):
            await execute_together(session, asyncio.sleep(0))


async def test_cancelled_work_ends_before_the_rollback(sessions):
    """Cancelled work in the thread ends before its session is rolled back."""
    begun, may_go_on = asyncio.Event(), threading.Event()
    loop, seen = asyncio.get_running_loop(), []

    async def work(session):
        await session.execute(text("INSERT INTO things VALUES ('a')"))
        loop.call_soon_threadsafe(begun.set)
        may_go_on.wait()
        seen.append(await session.scalar(text("SELECT count(*) FROM things")))

    async def write():
        async with sessions.begin() as session:
            await execute_together(session, work(session))

    task = asyncio.create_task(write())
    await begun.wait()
    task.cancel()
    loop.call_later(0, may_go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == [1]
    async with sessions() as session:
        assert await session.scalar(text("SELECT count(*) FROM things")) == 0


@pytest.mark.parametrize("statement", ["INSERT", "INSERT OR ROLLBACK"])
async def test_failed_transaction_is_rolled_back(hops, sessions, statement):
    """After a failed transaction the gate is free, even if SQLite itself rolled back."""
    hops.clear()
    with pytest.raises(IntegrityError):
        async with sessions.begin() as session:
            await session.execute(text(f"{statement} INTO things VALUES ('a'), ('a')"))
    assert "rollback" in hops
    async with sessions.begin() as session:
        assert await session.scalar(text("SELECT count(*) FROM things")) == 0


async def test_statement_after_a_failed_begin(tmp_path, monkeypatch):
    """After a failed begin, the next statement begins the transaction again."""
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0)
    gate = engine.WriteGate()
    async with open_database(tmp_path / "database", gate) as sessions:
        async with sessions.begin() as session:
            await session.execute(text("CREATE TABLE things (name TEXT UNIQUE)"))
        async with sessions.begin() as session:
            gate.take(0, is_urgent=False)
            with pytest.raises(StorageError, match="locked"):
                await session.execute(text("INSERT INTO things VALUES ('a')"))
            gate.give()
            await session.execute(text("INSERT INTO things VALUES ('b')"))
            await session.rollback()
        async with sessions() as session:
            assert await session.scalar(text("SELECT count(*) FROM things")) == 0
