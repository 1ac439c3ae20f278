"""The write gate of SQLite: one writer at a time, in order, urgent writers first."""

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from server.storage.database import open_database
from server.storage.engine import IN_A_ROW, WriteGate
from server.storage.errors import StorageError

SECONDS = 60.0


def queue_writer(gate, pool, order, name, *, is_urgent):
    """Wait for the gate in a thread; return when the gate has queued it."""
    queue = gate._urgent if is_urgent else gate._ordinary
    before = len(queue)

    def wait():
        assert gate.take(SECONDS, is_urgent=is_urgent)
        order.append(name)
        gate.give()

    done = pool.submit(wait)
    while len(queue) == before:
        threading.Event().wait(0.001)
    return done


@pytest.mark.parametrize(
    ("ordinary", "urgent", "expected"),
    [
        (["one", "two"], ["halt", "pause"], ["halt", "pause", "one", "two"]),
        (["one"], ["halt"] * (IN_A_ROW + 1), ["halt"] * IN_A_ROW + ["one", "halt"]),
    ],
    ids=["first", "not for ever"],
)
def test_urgent_writers_come_first(ordinary, urgent, expected):
    """Urgent writers come before ordinary ones; each class is served in order.

    After the maximum number of urgent turns, an ordinary writer has a turn.
    """
    gate, order = WriteGate(), []
    assert gate.take(0, is_urgent=False)
    with ThreadPoolExecutor(len(expected)) as pool:
        for name in ordinary:
            queue_writer(gate, pool, order, name, is_urgent=False)
        for name in urgent:
            queue_writer(gate, pool, order, name, is_urgent=True)
        gate.give()
    assert order == expected


def test_writer_that_times_out():
    """A writer that times out does not cost the next one its turn."""
    gate = WriteGate()
    assert gate.take(0, is_urgent=False)
    assert not gate.take(0, is_urgent=True)
    assert not gate.take(0, is_urgent=False)
    gate.give()
    assert gate.take(0, is_urgent=False)


@pytest.fixture
async def databases(tmp_path):
    """Yield ordinary and urgent sessions on one file, and their gate."""
    gate, place = WriteGate(), tmp_path / "hening.sqlite"
    async with (
        open_database(place, gate) as ordinary,
        open_database(place, gate, is_urgent=True) as urgent,
    ):
        yield ordinary, urgent, gate


@contextlib.asynccontextmanager
async def writing(sessions):
    """Yield a session whose transaction has written."""
    async with sessions.begin() as session:
        await session.execute(text("UPDATE leases SET expires_at = 0"))
        yield session


async def write(sessions, order=None, name=""):
    """Write in a transaction, and record the name if `order` is given."""
    async with writing(sessions):
        if order is not None:
            order.append(name)


async def until_waiting(queue, count):
    """Wait until this many writers wait at the gate."""
    while await asyncio.sleep(0.001, len(queue) < count):
        pass


async def test_urgent_transaction_comes_next(databases):
    """An urgent transaction waits only for the one under way."""
    ordinary, urgent, gate = databases
    order = []
    async with writing(ordinary):
        tasks = [asyncio.create_task(write(ordinary, order, f"{n}")) for n in range(3)]
        await until_waiting(gate._ordinary, 3)
        tasks.append(asyncio.create_task(write(urgent, order, "halt")))
        await until_waiting(gate._urgent, 1)
    await asyncio.gather(*tasks)
    assert order[0] == "halt"
    assert sorted(order[1:]) == ["0", "1", "2"]


async def test_reads_do_not_wait(databases, monkeypatch):
    """A read does not wait for the gate.

    A writer that gets no turn raises the error of a locked database.
    """
    monkeypatch.setattr("server.storage.engine.BUSY_SECONDS", 0)
    ordinary, urgent, gate = databases
    async with writing(urgent), ordinary() as session:
        assert (await session.execute(text("SELECT count(*) FROM leases"))).scalar_one() == 0
        assert not gate.take(0, is_urgent=True)
    async with writing(ordinary):
        with pytest.raises(StorageError, match="is locked for over"):
            await write(urgent)


async def test_failed_transaction_releases_the_gate(databases):
    """A transaction that fails or is cancelled releases the gate."""
    ordinary, urgent, gate = databases
    with pytest.raises(ZeroDivisionError):
        async with writing(ordinary):
            1 / 0  # noqa: B018 - it raises
    await write(urgent)
    working = asyncio.Event()

    async def stay():
        async with writing(ordinary):
            working.set()
            await asyncio.Event().wait()

    holder = asyncio.create_task(stay())
    await working.wait()
    waiter = asyncio.create_task(write(ordinary))
    await until_waiting(gate._ordinary, 1)
    waiter.cancel()
    holder.cancel()
    await asyncio.gather(holder, waiter, return_exceptions=True)
    await write(urgent)
