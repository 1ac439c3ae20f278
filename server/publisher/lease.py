"""One active publisher: a lease in the database with a fence, and a file lock as a shortcut.

The row `publisher` of `leases` names the holder and the end of its lease, by the database's clock.
`fence` grows with each new holder. The holder changes rows and files only in `fenced` or `write`:
in a transaction that has locked the row and found its own fence there. A process that was stopped,
or cut off from the database, finds another fence when it resumes, and changes nothing. While it is
stopped inside such a transaction no other process can take over. No transaction is open during a
request to a shared store, which may not answer: `change` checks the fence first, and the store
refuses writes of a former holder.

A lease is given back after each change. The file lock shows immediately that a holder is dead:
while a process has the lock of a state folder, no earlier holder of lease and lock there is alive.
While an urgent publisher waits, it keeps a time in the near future in the row `urgent`: until then
other processes let it go first. Publishers of its own process do so by `Precedence`.
"""

import asyncio
import contextlib
import fcntl
import functools
import itertools
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, ParamSpec, TypeVar

from sqlalchemy import BigInteger, ColumnElement, Select, cast, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from server.storage.database import Sessions
from server.storage.durable import make_folder, open_created
from server.storage.errors import StorageError
from server.storage.models import Lease as LeaseRow
from server.storage.tree import Tree


class Precedence:
    """Counts, over all threads, the urgent publishers that want or hold the lease.

    `is_at_work`: one of them holds it. `is_overdue`: the ordinary publisher has waited for them so
    long that it is next.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self.is_at_work = False
        self.is_overdue = False

    def must_yield(self, *, is_urgent: bool) -> bool:
        """Answer whether a publisher of that kind lets the other kind go first."""
        if is_urgent:
            return self.is_overdue
        return self._count > 0 and not self.is_overdue

    @contextlib.contextmanager
    def claim(self) -> Iterator[None]:
        """Make ordinary publishers wait until the block ends."""
        with self._lock:
            self._count += 1
        try:
            yield
        finally:
            with self._lock:
                self._count -= 1


LEASE_SECONDS = 30  # until another machine takes over from a holder that does not renew
BEATS = 3  # renewals within one lease: two may fail
WAIT_SECONDS = 60.0  # for another change to end: longer than a lease
RETRY_SECONDS = 0.05
YIELD_SECONDS = 5.0  # to urgent publishers, at most: these could follow each other forever
AT_ONCE = 8
"""The maximum number of files, or rows of two statements each, that a transaction writes.

On SQLite a halt waits for such a transaction. A file takes two disk flushes, 5 ms together.
"""
NAME = "publisher"
URGENT = "urgent"
URGENT_SECONDS = 3  # for which publishers in other processes let an urgent one go first
OTHER_URGENT = "an urgent publisher"
LOCKED = "+"
"""The suffix of the names of holders that also have the file lock."""

P = ParamSpec("P")
T = TypeVar("T")


class LeaseLostError(StorageError):
    """Another process publishes, because this one did not renew its lease in time."""


class Lease:
    """The right to publish from one state folder; held by one task of one process at a time.

    If a holder does not renew its lease for `seconds`, another machine takes over. Another holder
    is waited for at most `wait` seconds. The leases of one process share `precedence`: one that
    `is_urgent` is granted before the others.
    """

    def __init__(
        self,
        sessions: Sessions,
        lock: Path,
        *,
        seconds: int = LEASE_SECONDS,
        wait: float = WAIT_SECONDS,
        precedence: Precedence | None = None,
        is_urgent: bool = False,
    ) -> None:
        self._sessions = sessions
        self._lock = lock
        self._seconds = seconds
        self._wait = wait
        self._task = asyncio.Lock()
        self._turn = asyncio.Lock()
        self._fence = 0
        self._precedence = precedence or Precedence()
        self._is_urgent = is_urgent
        # Its own thread: in the loop's threads a transaction would queue after other requests.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lease")

    @property
    def must_yield(self) -> bool:
        """Whether this publisher lets another one of this process go first."""
        return self._precedence.must_yield(is_urgent=self._is_urgent)

    @property
    def fence(self) -> int:
        """The number of this holder; later holders have higher ones."""
        return self._fence

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold the lease until the end of the block.

        An urgent publisher is next when the present holder ends, before others of this process.

        Raises StorageError if another holder does not finish within `wait` seconds, or the database
        fails. A crash leaves the row: the lease expires, or the file lock shows that the holder is
        dead.
        """
        announced = self._precedence.claim() if self._is_urgent else contextlib.nullcontext()
        with announced:
            async with self._held():
                yield

    @contextlib.asynccontextmanager
    async def _held(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._wait):  # `wait_for` of 3.11 swallows cancellations
                await self._task.acquire()
        except TimeoutError as error:
            raise StorageError(_busy("a task of this process")) from error
        try:
            async with _opened(self._lock) as file:
                await self._acquire(file)
                self._precedence.is_at_work = self._is_urgent
                beat = asyncio.create_task(self._beat())
                try:
                    yield
                finally:
                    beat.cancel()
                    try:
                        # Awaiting the beat itself would mistake a cancellation of ours for its own.
                        await asyncio.wait([beat])
                    finally:
                        self._precedence.is_at_work = False
                        await self._release()
        finally:
            self._task.release()

    @contextlib.asynccontextmanager
    async def fenced(self) -> AsyncIterator[AsyncSession]:
        """Yield a writing transaction in which no other process can become the publisher.

        Raises LeaseLostError, and changes nothing, when another process already is.
        """
        async with self._turn, self._sessions.begin() as session:
            row, now, _ = await _locked_row(session)
            if row is None or row.fence != self._fence:
                holder = "no process" if row is None else _machine(row.holder)
                raise LeaseLostError(
                    f"this process was silent for longer than its lease, and {holder} publishes"
                    " now: this one leaves its unfinished change alone."
                )
            # Not each time: writing a row waits for a disk.
            if row.expires_at - now <= self._seconds * (BEATS - 1) / BEATS:
                row.expires_at = now + self._seconds
                await session.flush()
            yield session

    async def write(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function that changes files in a thread, in a transaction of `fenced`.

        If this is cancelled, the transaction lasts until the thread has ended. Raises
        LeaseLostError before the call, and whatever the function raises.
        """
        async with self.fenced():
            return await self._run(functools.partial(function, *args, **kwargs))

    async def change(
        self, tree: Tree, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a function that changes `tree` in a thread; for a local tree, as `write` does.

        Raises LeaseLostError before the call, and whatever the function raises.
        """
        if not tree.is_shared:
            return await self.write(function, *args, **kwargs)
        async with self.fenced():
            pass  # raises if the lease is lost
        return await self._run(functools.partial(function, *args, **kwargs))

    async def write_each(self, steps: Iterable[Callable[[], object]]) -> None:
        """Run many short functions in order as `write` runs one, `AT_ONCE` in one transaction.

        A crash or a lost lease may stop it after any of them.
        """
        pending = iter(steps)
        while batch := list(itertools.islice(pending, AT_ONCE)):
            await self.write(_run_all, batch)

    async def change_each(self, tree: Tree, steps: Iterable[Callable[[], object]]) -> None:
        """Run many short functions in order as `change` runs one, `AT_ONCE` at a time."""
        pending = iter(steps)
        while batch := list(itertools.islice(pending, AT_ONCE)):
            await self.change(tree, _run_all, batch)

    async def _run(self, call: Callable[[], T]) -> T:
        """Run a function in the thread; a cancellation takes effect once it has ended."""
        work = asyncio.get_running_loop().run_in_executor(self._thread, call)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work])
            raise

    async def _acquire(self, file: BinaryIO) -> None:
        """Take the lease when it is free, has expired, or its holder is known to be dead."""
        tries, yielded = max(1, int(self._wait / RETRY_SECONDS)), 0
        try:
            for tries_left in reversed(range(tries)):
                if not self._is_urgent and yielded * RETRY_SECONDS > YIELD_SECONDS:
                    self._precedence.is_overdue = True
                if self.must_yield:
                    holder = "the other publisher of this process"
                    # Not while both wait for another process, such as one that was killed.
                    yielded += self._precedence.is_at_work
                else:
                    locked = _try_lock(file)
                    holder = await self._take(_place(file), locked=locked)
                    if not holder:
                        return
                    yielded += holder == OTHER_URGENT
                    if locked:  # without the lease, the lock would hide that its holder is dead
                        fcntl.flock(file, fcntl.LOCK_UN)
                if tries_left:
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            if not self._is_urgent:
                self._precedence.is_overdue = False
        raise StorageError(_busy(holder))

    async def _take(self, place: str, *, locked: bool) -> str:
        """Take the lease and return "", or return its present holder."""
        async with self._sessions.begin() as session:
            row, now, urgent = await _locked_row(session)
            if row is None:
                await session.execute(_INSERT, {"name": NAME})
                row, now, urgent = await _locked_row(session)
            if row is None:
                raise StorageError("the row of the lease cannot be created: check the database.")
            is_dead = locked and row.holder == place + LOCKED
            if row.expires_at > now and not is_dead:
                if self._is_urgent and urgent <= now + URGENT_SECONDS // 2:
                    await _set_urgent(session, now + URGENT_SECONDS)
                return _machine(row.holder)
            if self._is_urgent and urgent:
                await _set_urgent(session, 0)
            elif urgent > now and not self._precedence.is_overdue:
                return OTHER_URGENT
            row.fence += 1
            row.holder = place + LOCKED if locked else place
            row.expires_at = now + self._seconds
            self._fence = row.fence
        return ""

    async def _beat(self) -> None:
        """Renew the lease until cancelled. If that fails, the next `fenced` raises the error."""
        while True:
            await asyncio.sleep(self._seconds / BEATS)
            with contextlib.suppress(StorageError):
                async with self.fenced():
                    pass

    async def _release(self) -> None:
        """Give the lease back, if it is still ours. If the database does not answer, it expires."""
        is_ours = (LeaseRow.name == NAME) & (LeaseRow.fence == self._fence)
        with contextlib.suppress(StorageError):
            async with self._sessions.begin() as session:
                await session.execute(update(LeaseRow).where(is_ours).values(expires_at=0))


def _locked(time: ColumnElement[Any]) -> Select[LeaseRow, int, int | None]:
    other = aliased(LeaseRow)
    urgent = select(other.expires_at).where(other.name == URGENT).scalar_subquery()
    query = select(LeaseRow, cast(time, BigInteger), urgent)
    return query.where(LeaseRow.name == NAME).with_for_update(of=LeaseRow)


# Built once: a halt runs it eight times. `time` is that of SQLite, or of PostgreSQL.
_LOCKED = (
    _locked(func.strftime("%s", "now")),
    _locked(func.extract("epoch", func.clock_timestamp())),
)


_INSERT = text(
    "INSERT INTO leases (name, holder, fence, expires_at) VALUES (:name, '', 0, 0)"
    " ON CONFLICT (name) DO NOTHING"
)


async def _locked_row(session: AsyncSession) -> tuple[LeaseRow | None, int, int]:
    """Return the locked row, the database's time, and until when an urgent publisher waits.

    All processes share that time. It may be from before the wait for the lock, which makes leases
    longer, not shorter.
    """
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    found = (await session.execute(_LOCKED[is_postgresql])).one_or_none()
    return (None, 0, 0) if found is None else (found[0], int(found[1]), found[2] or 0)


async def _set_urgent(session: AsyncSession, until: int) -> None:
    """Record until when an urgent publisher waits; the caller has locked the lease's row."""
    await session.execute(_INSERT, {"name": URGENT})
    await session.execute(update(LeaseRow).where(LeaseRow.name == URGENT).values(expires_at=until))


def _run_all(steps: Sequence[Callable[[], object]]) -> None:
    for step in steps:
        step()


@contextlib.asynccontextmanager
async def _opened(path: Path) -> AsyncIterator[BinaryIO]:
    """Yield the open file; it is closed even if this is cancelled while a thread opens it."""
    opening = asyncio.ensure_future(asyncio.to_thread(_open, path))
    try:
        file = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close)
        await asyncio.wait([opening])
        raise
    with file:
        yield file


def _close(opening: asyncio.Future[BinaryIO]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _open(path: Path) -> BinaryIO:
    make_folder(path.parent)
    return os.fdopen(open_created(path, os.O_WRONLY | os.O_APPEND), "ab")


def _try_lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _place(file: BinaryIO) -> str:
    """Return the identity of this lock: the machine, and the file there."""
    found = os.fstat(file.fileno())
    return f"{os.uname().nodename[:24]}:{found.st_dev:x}:{found.st_ino:x}"


def _machine(holder: str) -> str:
    return f"a process on {holder.partition(':')[0]}"


def _busy(holder: str) -> str:
    return f"another process is publishing and does not end: check {holder} first."
