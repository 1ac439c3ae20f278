"""One active publisher: a dead one holds up no other, and a late one changes nothing."""

import asyncio
import contextlib
import sys
from pathlib import Path

import pytest
from sqlalchemy import select, update

from server.publisher import lease as module
from server.publisher.lease import NAME, URGENT, Lease, LeaseLostError, Precedence
from server.storage.control_models import Lease as LeaseRow
from server.storage.database import open_database
from server.storage.errors import StorageError
from server.storage.models import Blob
from tests.server.test_app import until

HOLD = """
import asyncio, sys
from pathlib import Path
from server.publisher.lease import Lease
from server.storage.database import open_database
from server.storage.place import PostgresAddress

async def hold(name, lock):
    place = PostgresAddress(name) if "://" in name else Path(name)
    async with open_database(place) as sessions, Lease(sessions, Path(lock)).held():
        print("held", flush=True)
        await asyncio.sleep(600)

asyncio.run(hold(*sys.argv[1:]))
"""


def name_of(place):
    """Return a place as an argument of a program."""
    return str(place) if isinstance(place, Path) else place.url


@contextlib.asynccontextmanager
async def holding_process(place, lock):
    """Run another process that holds the lease until the end of the block."""
    holder = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        HOLD,
        name_of(place),
        str(lock),
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


async def run_out(sessions):
    """Let the lease expire, as its seconds do."""
    async with sessions.begin() as session:
        await session.execute(update(LeaseRow).filter_by(name=NAME).values(expires_at=0))


async def read_row(sessions):
    """Return the lease's row."""
    async with sessions() as session:
        return await session.get_one(LeaseRow, NAME)


async def test_a_killed_process_holds_up_no_other(place, tmp_path):
    """On one machine the second waits for the first, and takes over as soon as it is killed.

    The lease would have lasted for half a minute more.
    """
    lock = tmp_path / "publisher.lock"
    async with open_database(place) as sessions, holding_process(place, lock) as holder:
        lease = Lease(sessions, lock, wait=0.2)
        with pytest.raises(StorageError, match="another process is publishing"):
            await lease.held().__aenter__()
        before = await read_row(sessions)
        holder.kill()
        await holder.wait()
        async with lease.held():
            row = await read_row(sessions)
            assert row.expires_at >= before.expires_at
            assert row.fence == before.fence + 1


async def test_another_machine_waits_for_the_lease(place, tmp_path):
    """A process that cannot see the file lock waits until the lease has expired, then publishes."""
    async with open_database(place) as sessions:
        async with holding_process(place, tmp_path / "one") as holder:
            holder.kill()
            await holder.wait()
        other = Lease(sessions, tmp_path / "other", wait=0.2)
        with pytest.raises(StorageError, match="does not end: look at a process on"):
            await other.held().__aenter__()
        await run_out(sessions)
        async with other.held():
            assert (await read_row(sessions)).fence == 2


@pytest.mark.parametrize("locks", [("one", "one"), ("one", "other")], ids=["folder", "machines"])
async def test_who_lost_the_lease_changes_nothing(place, tmp_path, locks):
    """Rows and files of a holder that was silent for too long stay as the new holder left them."""
    first, second = (tmp_path / name for name in locks)
    file = tmp_path / "timestamp"
    async with open_database(place) as one, open_database(place) as two:
        late, new = Lease(one, first), Lease(two, second)
        async with late.held():
            await late.write(file.write_text, "one")
            await run_out(two)
            async with new.held():
                await new.write(file.write_text, "two")
                with pytest.raises(LeaseLostError, match="silent for longer than its lease"):
                    await late.write(file.write_text, "late")
                with pytest.raises(LeaseLostError, match="publishes now"):
                    await add_blob(late)
            # Released by the new holder, it is still not the late one's.
            with pytest.raises(LeaseLostError):
                await late.write(file.write_text, "late")
        assert await asyncio.to_thread(file.read_text) == "two"
        async with two() as session:
            assert (await session.scalars(select(Blob))).all() == []
        async with late.held():
            await late.write(file.write_text, "again")
        assert [row.fence for row in [await read_row(two)]] == [3]


async def add_blob(lease):
    """Add a row in a fenced transaction."""
    async with lease.fenced() as session:
        session.add(Blob(sha256="0" * 64, length=0, verified_at=1))


async def test_a_holder_prolongs_its_lease(place, tmp_path):
    """While it is held the lease is prolonged, however long the change takes."""
    async with open_database(place) as sessions:
        lease = Lease(sessions, tmp_path / "lock", seconds=1)
        async with lease.held():
            first = (await read_row(sessions)).expires_at

            async def is_prolonged():
                return (await read_row(sessions)).expires_at >= first + 2

            await until(is_prolonged)
            await lease.write(lambda: None)
        assert (await read_row(sessions)).expires_at == 0


async def test_two_tasks_of_one_process(place, tmp_path):
    """They take turns, an error releases the lease, and too long a waiting time is an error."""
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

    async with open_database(place) as sessions:
        lease, short = (Lease(sessions, tmp_path / "lock", wait=wait) for wait in (60.0, 0.1))
        results = await asyncio.gather(
            take(lease), take(lease, ZeroDivisionError()), take(lease), return_exceptions=True
        )
        assert [type(result) for result in results] == [type(None), ZeroDivisionError, type(None)]
        async with short.held():
            with pytest.raises(StorageError, match="another process is publishing"):
                await take(short)
        await take(short)


async def test_a_write_that_is_cancelled_is_ended_first(place, tmp_path):
    """The thread is waited for in the transaction, so that no other process takes over."""
    file = tmp_path / "file"
    loop = asyncio.get_running_loop()
    begun, may_end = asyncio.Event(), asyncio.Event()

    def slow():
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result()
        file.write_text("written")

    async with open_database(place) as sessions:
        lease = Lease(sessions, tmp_path / "lock")

        async def write():
            async with lease.held():
                await lease.write(slow)

        task = asyncio.create_task(write())
        await begun.wait()
        task.cancel()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(file.read_text) == "written"
        assert (await read_row(sessions)).expires_at == 0


async def test_a_cancellation_is_not_taken_for_the_lock(world):
    """Whenever it arrives, a task about to hold the lease ends by it, and releases the lease."""
    async with open_database(world.folder.database) as sessions:
        lease = Lease(sessions, world.folder.lock)
        for turns in range(1, 8):
            async with lease.held():  # a cancelled connect would leave the driver's file open
                pass
            task = asyncio.create_task(hold_and_stay(lease))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task], timeout=60)
            assert task.cancelled(), turns
        async with lease.held():
            pass


async def test_a_cancellation_is_not_taken_for_the_end_of_a_beat(world, monkeypatch):
    """A cancellation during the release of the lease ends its holder, and the lease is released."""
    ending = asyncio.Event()

    async def beat(_lease):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ending.set()
            await asyncio.sleep(0)
            raise

    monkeypatch.setattr(Lease, "_beat", beat)
    async with open_database(world.folder.database) as sessions:
        lease = Lease(sessions, world.folder.lock)
        task = asyncio.create_task(hold_and_stay(lease))
        await ending.wait()
        task.cancel()
        await asyncio.wait([task], timeout=60)
        assert task.cancelled()
        async with Lease(sessions, world.folder.lock, wait=0.1).held():
            pass


async def hold_and_stay(lease):
    """Hold the lease for a moment, and continue for ever unless it is cancelled."""
    async with lease.held():
        await asyncio.sleep(0)
    await asyncio.Event().wait()


async def test_what_is_urgent_has_the_lease_next(place, tmp_path):
    """An ordinary holder that waited for longer comes after it; then all others may continue."""
    precedence, order = Precedence(), []
    lock = tmp_path / "lock"
    async with open_database(place) as sessions:
        first, second = (Lease(sessions, lock, precedence=precedence) for _ in range(2))
        urgent = Lease(sessions, lock, precedence=precedence, is_urgent=True)

        async def hold(lease, name):
            async with lease.held():
                order.append(name)

        async with first.held():
            ordinary = asyncio.create_task(hold(second, "ordinary"))
            await until(lambda: asyncio.sleep(0, bool(second._task.locked())))
            with precedence.wanted():  # it keeps its place during this check
                await asyncio.sleep(0)
                assert second.must_yield
                stop = asyncio.create_task(hold(urgent, "halt"))
                await until(lambda: asyncio.sleep(0, urgent._task.locked()))
        await asyncio.gather(stop, ordinary)
    assert order == ["halt", "ordinary"]
    assert not second.must_yield


async def test_what_is_urgent_does_not_keep_the_lease_for_ever(place, tmp_path, monkeypatch):
    """An ordinary holder that has waited for the maximum time has its turn."""
    monkeypatch.setattr(module, "YIELD_SECONDS", 0)
    precedence = Precedence()
    async with open_database(place) as sessions:
        ordinary = Lease(sessions, tmp_path / "lock", precedence=precedence)
        precedence.is_at_work = True
        with precedence.wanted():
            async with ordinary.held():
                assert ordinary.must_yield
            precedence.is_overdue = True
            assert Lease(
                sessions, tmp_path / "lock", precedence=precedence, is_urgent=True
            ).must_yield


async def urgent_until(sessions):
    """Return until when an urgent publisher waits, 0 if none does."""
    async with sessions() as session:
        row = await session.get(LeaseRow, URGENT)
        return 0 if row is None else row.expires_at


async def test_what_is_urgent_in_another_process_has_the_lease_next(place, tmp_path):
    """Publishers of other processes that waited for longer let it go first, then continue."""
    order = []
    async with open_database(place) as sessions:
        dead, *others = (Lease(sessions, tmp_path / str(number)) for number in range(5))
        urgent = Lease(sessions, tmp_path / "urgent", is_urgent=True)

        async def hold(lease, name):
            async with lease.held():
                order.append(name)

        async with dead.held():
            waiting = [asyncio.create_task(hold(lease, "ordinary")) for lease in others]
            waiting.append(asyncio.create_task(hold(urgent, "halt")))
            await until(lambda: urgent_until(sessions))
            await run_out(sessions)
            with pytest.raises(StorageError):  # it tries once, now
                await Lease(sessions, tmp_path / "late", wait=0).held().__aenter__()
            await asyncio.gather(*waiting)
        assert order == ["halt", *["ordinary"] * 4]
        assert await urgent_until(sessions) == 0


async def test_what_waited_for_a_dead_process_still_lets_a_halt_go_first(
    place, tmp_path, monkeypatch
):
    """Only the time for which it let others go first counts: a dead holder's lease is long."""
    monkeypatch.setattr(module, "YIELD_SECONDS", 0)
    precedence = Precedence()
    async with open_database(place) as sessions:
        dead = Lease(sessions, tmp_path / "dead")
        ordinary = Lease(sessions, tmp_path / "lock", precedence=precedence)
        urgent = Lease(sessions, tmp_path / "lock", precedence=precedence, is_urgent=True)
        tries = 0

        async def take(*_args, **_kwargs):
            nonlocal tries
            tries += 1
            await asyncio.sleep(0)
            assert not urgent.must_yield
            return "a process on another machine"

        monkeypatch.setattr(ordinary, "_take", take)
        async with dead.held():
            waiting = asyncio.create_task(hold_and_stay(ordinary))
            await until(lambda: asyncio.sleep(0, tries > 3))
            waiting.cancel()
            await asyncio.wait([waiting])
            assert waiting.cancelled()


class Polled(Precedence):
    """Counts how often an ordinary publisher asked whether it yields."""

    polls = 0

    def must_yield(self, *, is_urgent):
        """Count the question, and answer it."""
        self.polls += not is_urgent
        return super().must_yield(is_urgent=is_urgent)


async def test_a_halt_and_other_work_of_one_process_wait_for_a_dead_one(
    place, tmp_path, monkeypatch
):
    """The halt goes first, for however long both have waited."""
    monkeypatch.setattr(module, "YIELD_SECONDS", 0)
    precedence, order = Polled(), []
    async with open_database(place) as sessions:
        dead = Lease(sessions, tmp_path / "dead")
        ordinary = Lease(sessions, tmp_path / "lock", precedence=precedence)
        urgent = Lease(sessions, tmp_path / "lock", precedence=precedence, is_urgent=True)

        async def hold(lease, name):
            async with lease.held():
                order.append(name)

        async with dead.held():
            waiting = [asyncio.create_task(hold(urgent, "halt"))]
            await until(lambda: urgent_until(sessions))
            waiting.append(asyncio.create_task(hold(ordinary, "ordinary")))
            await until(lambda: asyncio.sleep(0, precedence.polls > 3))
            await run_out(sessions)
            await asyncio.gather(*waiting)
    assert order == ["halt", "ordinary"]


async def test_urgent_publishers_of_other_processes_do_not_keep_the_lease(
    place, tmp_path, monkeypatch
):
    """An ordinary one that let them go first for the maximum time has its turn."""
    monkeypatch.setattr(module, "YIELD_SECONDS", 0.2)
    async with open_database(place) as sessions:
        async with Lease(sessions, tmp_path / "lock").held():
            pass
        far = (await read_row(sessions)).expires_at + 2**40
        async with sessions.begin() as session:
            session.add(LeaseRow(name=URGENT, holder="", fence=0, expires_at=far))
        with pytest.raises(StorageError, match="look at an urgent publisher first"):
            await Lease(sessions, tmp_path / "lock", wait=0.1).held().__aenter__()
        async with Lease(sessions, tmp_path / "lock", wait=5.0).held():
            pass
