"""Only one publisher is active: a dead one blocks no other, and a late one changes nothing."""

import asyncio
import contextlib
import fcntl
import sys
from pathlib import Path

import pytest
from sqlalchemy import select, update

from server.publisher import lease as module
from server.publisher.lease import NAME, URGENT, Lease, LeaseLostError, Precedence
from server.storage.database import open_database
from server.storage.errors import StorageError
from server.storage.models import Blob
from server.storage.models import Lease as LeaseRow
from tests.server.test_app import until

sqlite = pytest.mark.parametrize("place", ["sqlite"], indirect=True)
HOLD = """
import asyncio, sys
from pathlib import Path
from server.publisher.lease import Lease
from server.storage.database import open_database
from server.storage.layout import PostgresAddress

async def hold(name, lock):
    place = PostgresAddress(name) if "://" in name else Path(name)
    async with open_database(place) as sessions, Lease(sessions, Path(lock)).held():
        print("held", flush=True)
        await asyncio.sleep(600)

asyncio.run(hold(*sys.argv[1:]))
"""


@contextlib.asynccontextmanager
async def holding_process(place, lock):
    """Run another process that holds the lease during the block."""
    name = str(place) if isinstance(place, Path) else place.url
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLD, name, str(lock)),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    try:
        assert await holder.stdout.readline() == b"held\n"
        yield holder
    finally:
        with contextlib.suppress(ProcessLookupError):
            holder.kill()
        await holder.wait()


@pytest.fixture
async def sessions(place):
    """Yield an open database of each kind."""
    async with open_database(place) as opened:
        yield opened


@pytest.fixture
def lease(sessions, tmp_path):
    """Return a function that makes a lease, by default with a common file lock."""

    def make(lock="lock", **options):
        return Lease(sessions, tmp_path / lock, **options)

    return make


async def expire_lease(sessions):
    """Let the lease expire."""
    async with sessions.begin() as session:
        await session.execute(update(LeaseRow).filter_by(name=NAME).values(expires_at=0))


async def read_row(sessions):
    """Return the lease's row."""
    async with sessions() as session:
        return await session.get_one(LeaseRow, NAME)


async def hold(lease, order, name):
    """Take and release the lease, and record the name."""
    async with lease.held():
        order.append(name)


async def hold_and_stay(lease):
    """Take and release the lease, then wait until cancelled."""
    async with lease.held():
        await asyncio.sleep(0)
    await asyncio.Event().wait()


async def urgent_until(sessions):
    """Return the time until which an urgent publisher waits, or 0."""
    async with sessions() as session:
        row = await session.get(LeaseRow, URGENT)
        return 0 if row is None else row.expires_at


async def test_lease_of_a_killed_process(place, sessions, lease, tmp_path):
    """When a process is killed, the next one on the machine takes over before the lease expires."""
    async with holding_process(place, tmp_path / "lock") as holder:
        waiting = lease(wait=0.2)
        with pytest.raises(StorageError, match="another process is publishing"):
            await waiting.held().__aenter__()
        before = await read_row(sessions)
        holder.kill()
        await holder.wait()
        async with waiting.held():
            row = await read_row(sessions)
            assert row.expires_at >= before.expires_at
            assert row.fence == before.fence + 1


@pytest.mark.parametrize("other", ["lock", "other"], ids=["folder", "machines"])
async def test_holder_of_an_expired_lease_cannot_write(place, lease, tmp_path, other):
    """A holder that was silent for too long can change neither rows nor files.

    A process without the common file lock waits until the lease has expired.
    """
    file = tmp_path / "timestamp"
    async with open_database(place) as two:
        late, new = lease(), Lease(two, tmp_path / other)
        async with late.held():
            await late.write(file.write_text, "one")
            with pytest.raises(StorageError, match="does not end: check a process on"):
                await lease("third", wait=0.1).held().__aenter__()
            await expire_lease(two)
            async with new.held():
                await new.write(file.write_text, "two")
                with pytest.raises(LeaseLostError, match="silent for longer than its lease"):
                    await late.write(file.write_text, "late")
                with pytest.raises(LeaseLostError, match="publishes now"):
                    await add_blob(late)
            # The new holder released the lease, but the late one still does not hold it.
            with pytest.raises(LeaseLostError):
                await late.write(file.write_text, "late")
        assert await asyncio.to_thread(file.read_text) == "two"
        async with two() as session:
            assert (await session.scalars(select(Blob))).all() == []
        async with late.held():
            await late.write(file.write_text, "again")
        assert (await read_row(two)).fence == 3


async def add_blob(lease):
    """Add a row in a fenced transaction."""
    async with lease.fenced() as session:
        session.add(Blob(sha256="0" * 64, length=0, verified_at=1))


@sqlite
async def test_held_lease_is_prolonged(sessions, lease):
    """A held lease is prolonged for as long as the change takes."""
    short = lease(seconds=1)
    async with short.held():
        first = (await read_row(sessions)).expires_at

        async def is_prolonged():
            return (await read_row(sessions)).expires_at > first

        await until(is_prolonged)
        await short.write(lambda: None)
    assert (await read_row(sessions)).expires_at == 0


@sqlite
async def test_tasks_of_one_process_take_turns(lease):
    """Tasks take turns, an error releases the lease, and waiting too long raises an error."""
    inside = 0

    async def take(lease, error=None):
        nonlocal inside
        async with lease.held():
            inside += 1
            assert inside == 1
            await lease.write(lambda: None)
            inside -= 1
            if error:
                raise error

    long, short = lease(), lease(wait=0.1)
    results = await asyncio.gather(
        take(long), take(long, ZeroDivisionError()), take(long), return_exceptions=True
    )
    assert [type(result) for result in results] == [type(None), ZeroDivisionError, type(None)]
    async with short.held():
        with pytest.raises(StorageError, match="another process is publishing"):
            await take(short)
    await take(short)


@sqlite
async def test_cancelled_write_ends_before_the_release(sessions, lease, tmp_path):
    """A cancelled write ends before the lease is released."""
    file = tmp_path / "file"
    loop = asyncio.get_running_loop()
    begun, may_end = asyncio.Event(), asyncio.Event()

    def slow():
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result()
        file.write_text("written")

    async def write():
        writing = lease()
        async with writing.held():
            await writing.write(slow)

    task = asyncio.create_task(write())
    await begun.wait()
    task.cancel()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(file.read_text) == "written"
    assert (await read_row(sessions)).expires_at == 0


@sqlite
async def test_cancellation_while_taking_the_lease(lease):
    """A task cancelled while it takes the lease ends, and releases the lease."""
    held = lease()
    for turns in range(1, 8):
        async with held.held():  # a cancelled connect would leave the driver's file open
            pass
        task = asyncio.create_task(hold_and_stay(held))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=60)
        assert task.cancelled(), turns
    async with held.held():
        pass


@sqlite
async def test_cancellation_while_releasing_the_lease(lease, monkeypatch):
    """A task cancelled while it releases the lease ends, and the lease is released."""
    ending = asyncio.Event()

    async def beat(_lease):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ending.set()
            await asyncio.sleep(0)
            raise

    monkeypatch.setattr(Lease, "_beat", beat)
    task = asyncio.create_task(hold_and_stay(lease()))
    await ending.wait()
    task.cancel()
    await asyncio.wait([task], timeout=60)
    assert task.cancelled()
    async with lease(wait=0.1).held():
        pass


@sqlite
async def test_urgent_publisher_goes_first(lease):
    """An urgent publisher takes the lease before an ordinary one that waited longer."""
    precedence, order = Precedence(), []
    first, second = (lease(precedence=precedence) for _ in range(2))
    urgent = lease(precedence=precedence, is_urgent=True)
    async with first.held():
        ordinary = asyncio.create_task(hold(second, order, "ordinary"))
        await until(lambda: asyncio.sleep(0, bool(second._task.locked())))
        with precedence.claim():  # keeps an urgent request open during this check
            await asyncio.sleep(0)
            assert second.must_yield
            stop = asyncio.create_task(hold(urgent, order, "halt"))
            await until(lambda: asyncio.sleep(0, urgent._task.locked()))
    await asyncio.gather(stop, ordinary)
    assert order == ["halt", "ordinary"]
    assert not second.must_yield


@sqlite
async def test_ordinary_publisher_goes_first_after_the_longest_wait(lease, monkeypatch):
    """After the longest waiting time an ordinary publisher takes precedence."""
    monkeypatch.setattr(module, "YIELD_SECONDS", 0)
    precedence = Precedence()
    ordinary = lease(precedence=precedence)
    precedence.is_at_work = True
    with precedence.claim():
        async with ordinary.held():
            assert ordinary.must_yield
        precedence.is_overdue = True
        assert lease(precedence=precedence, is_urgent=True).must_yield


async def test_urgent_publisher_of_another_process_goes_first(sessions, lease, monkeypatch):
    """An urgent publisher goes first among processes, too, and the others then continue."""
    monkeypatch.setattr(module, "URGENT_SECONDS", 60)  # a slow machine keeps the turn, too
    order = []
    dead, *others = (lease(str(number)) for number in range(5))
    urgent = lease("urgent", is_urgent=True)
    async with dead.held():
        waiting = [asyncio.create_task(hold(each, order, "ordinary")) for each in others]
        waiting.append(asyncio.create_task(hold(urgent, order, "halt")))
        await until(lambda: urgent_until(sessions))
        await expire_lease(sessions)
        await asyncio.gather(*waiting)
    assert order == ["halt", *["ordinary"] * 4]
    assert await urgent_until(sessions) == 0


@sqlite
async def test_waiting_for_a_dead_holder_is_not_yielding(lease, monkeypatch):
    """Waiting for a dead holder does not count as yielding to urgent publishers."""
    monkeypatch.setattr(module, "YIELD_SECONDS", 0)
    precedence, tries = Precedence(), 0
    ordinary = lease(precedence=precedence)
    urgent = lease(precedence=precedence, is_urgent=True)

    async def take(*_args, **_kwargs):
        nonlocal tries
        tries += 1
        await asyncio.sleep(0)
        assert not urgent.must_yield
        return "a process on another machine"

    monkeypatch.setattr(ordinary, "_take", take)
    async with lease("dead").held():
        waiting = asyncio.create_task(hold_and_stay(ordinary))
        await until(lambda: asyncio.sleep(0, tries > 3))
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()


def check_unlocked(path):
    """Raise BlockingIOError if another open file holds the lock of `path`."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@sqlite
async def test_waiting_publisher_does_not_keep_the_file_lock(lease, tmp_path, monkeypatch):
    """Between two tries the file lock is free, because it would hide that a holder is dead."""
    monkeypatch.setattr(module, "RETRY_SECONDS", 600)
    has_tried, ordinary = asyncio.Event(), lease(wait=1200)

    async def take(*_args, locked):
        assert locked
        has_tried.set()
        await asyncio.sleep(0)
        return "a process on another machine"

    monkeypatch.setattr(ordinary, "_take", take)
    waiting = asyncio.create_task(hold_and_stay(ordinary))
    await has_tried.wait()
    await asyncio.sleep(0)
    check_unlocked(tmp_path / "lock")
    waiting.cancel()
    await asyncio.wait([waiting])


class Polled(Precedence):
    """Counts how often an ordinary publisher asked whether to yield."""

    polls = 0

    def must_yield(self, *, is_urgent):
        """Count the question, and answer it."""
        self.polls += not is_urgent
        return super().must_yield(is_urgent=is_urgent)


@sqlite
async def test_halt_goes_first_after_a_dead_holder(sessions, lease, monkeypatch):
    """The halt goes first, however long both have waited for a dead holder."""
    monkeypatch.setattr(module, "YIELD_SECONDS", 0)
    precedence, order = Polled(), []
    ordinary = lease(precedence=precedence)
    urgent = lease(precedence=precedence, is_urgent=True)
    async with lease("dead").held():
        waiting = [asyncio.create_task(hold(urgent, order, "halt"))]
        await until(lambda: urgent_until(sessions))
        waiting.append(asyncio.create_task(hold(ordinary, order, "ordinary")))
        await until(lambda: asyncio.sleep(0, precedence.polls > 3))
        await expire_lease(sessions)
        await asyncio.gather(*waiting)
    assert order == ["halt", "ordinary"]


@sqlite
async def test_yielding_to_other_processes_is_limited(sessions, lease, monkeypatch):
    """An ordinary publisher yields to other processes only for the longest waiting time."""
    monkeypatch.setattr(module, "YIELD_SECONDS", 0.2)
    async with lease().held():
        pass
    far = (await read_row(sessions)).expires_at + 2**40
    async with sessions.begin() as session:
        session.add(LeaseRow(name=URGENT, holder="", fence=0, expires_at=far))
    with pytest.raises(StorageError, match="check an urgent publisher first"):
        await lease(wait=0.1).held().__aenter__()
    async with lease(wait=5.0).held():
        pass
