"""Runs SQLite statements in connection threads: one thread hop per statement.

aiosqlite takes a hop each to make a cursor, to execute, to fetch, to close, and to roll back even
without a transaction. A hop is two thread switches, each of which waits for the GIL in a busy
process. A halt runs sixty statements. Statements whose result is not needed run in the next hop:
BEGIN, and writes by `execute_later`.
"""

import asyncio
import functools
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Self, TypeVar, cast

import aiosqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

_BEGIN = "BEGIN"  # with or without IMMEDIATE; it runs with the first statement
T = TypeVar("T")
_Statement = tuple[str, Sequence[Sequence[Any]]]
_CHUNK = 64  # rows per step of an aiosqlite iteration, which is not used here


def connect(file: str, **options: Any) -> Awaitable[aiosqlite.Connection]:
    """Connect as `aiosqlite.connect` does, with the `options` of `sqlite3.connect`."""
    connection = _Connection(functools.partial(sqlite3.connect, file, **options), _CHUNK)
    connection._thread.daemon = True  # noqa: SLF001 - as SQLAlchemy does for its own
    return connection


async def execute_later(
    connection: AsyncConnection, sql: str, rows: Sequence[Sequence[Any]]
) -> None:
    """Execute a driver statement for each of `rows`; it returns no result.

    On SQLite it takes no hop of its own: the next statement or the commit raises its error.
    """
    driver = _find_driver(connection)
    if driver is None:
        await connection.exec_driver_sql(sql, list(rows))
    else:
        driver.later(sql, rows)


async def execute_together(db: AsyncSession, work: Coroutine[Any, Any, T]) -> T:
    """Run `work`, which awaits statements of `db` only, and return its result.

    On SQLite all of it runs in the thread of the connection, in one hop.
    """
    connection = await db.connection()
    driver = _find_driver(connection)
    return await (work if driver is None else driver.run_all(work))


def _find_driver(connection: AsyncConnection) -> "_Connection | None":
    pooled = connection.sync_connection.connection if connection.sync_connection else None
    driver = None if pooled is None else pooled.driver_connection
    return driver if isinstance(driver, _Connection) else None


class _Connection(aiosqlite.Connection):
    """A connection as SQLAlchemy uses it: one task at a time, and cursors for one statement."""

    _may_be_open = False  # a call failed or was cancelled: always roll back

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._later: list[_Statement] = []
        self._is_here = False  # running in the thread: no hop is needed

    def cursor(self) -> "_Cursor":  # type: ignore[override]
        """Return a cursor, without a hop."""
        return _Cursor(self)

    def later(self, sql: str, rows: Sequence[Sequence[Any]] = ()) -> None:
        """Execute a statement with the next hop, which raises its error.

        With `rows` it is executed for each of them, otherwise once.
        """
        self._later.append((sql, rows))

    async def commit(self) -> None:
        """Commit, if anything ran since the begin."""
        if len(self._later) == 1 and _begins(self._later):
            self._later.clear()
            return
        is_more = bool(self._later)
        try:
            await super().commit()
        except sqlite3.Error:
            if is_more:  # a statement failed, not the commit: the transaction is still open
                await self.rollback()
            raise

    async def rollback(self) -> None:
        """Roll back, if there may be a transaction."""
        self._later.clear()
        if self._may_be_open or self.in_transaction:
            await super().rollback()
            self._may_be_open = False

    async def close(self) -> None:
        """Close, and drop the statements for the next hop, which might wait for a turn."""
        self._later.clear()
        await super().close()

    async def run(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Run `work` in the connection's thread."""
        await self._execute(work, self._conn)

    async def run_all(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine, which may await this connection only, in the connection's thread.

        On cancellation `work` ends first: it must not run beside a rollback.
        """
        running = asyncio.ensure_future(self._execute(self._drive, work))
        try:
            return cast("T", await asyncio.shield(running))
        except asyncio.CancelledError:
            await asyncio.wait({running})
            raise

    def _drive(self, work: Coroutine[Any, Any, T]) -> T:
        self._is_here = True
        try:
            work.send(None)
        except StopIteration as done:
            return cast("T", done.value)
        finally:
            self._is_here = False
        work.close()
        raise AssertionError("the coroutine awaited something other than its database connection")

    async def _execute(self, fn: Callable[..., object], *args: object, **named: object) -> object:
        first, self._later = self._later, []
        if first:
            fn = functools.partial(_do_first, self._conn, first, fn)
        if self._is_here:
            return fn(*args, **named)
        try:
            return await super()._execute(fn, *args, **named)  # type: ignore[no-untyped-call]
        except BaseException:
            self._may_be_open = True
            if _begins(first) and not self.in_transaction:
                self._later = first[:1]  # the next statement needs a transaction, too
            raise


def _begins(statements: Sequence[_Statement]) -> bool:
    return bool(statements) and statements[0][0].startswith(_BEGIN)


def _do_first(
    connection: sqlite3.Connection,
    statements: Sequence[_Statement],
    work: Callable[..., object],
    *arguments: object,
) -> object:
    cursor = connection.cursor()
    for sql, rows in statements:
        if rows:
            cursor.executemany(sql, rows)
        else:
            cursor.execute(sql)
    cursor.close()
    return work(*arguments)


class _Cursor:
    """Runs a statement and fetches all of its rows in one hop."""

    arraysize = 1

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._rows: Sequence[Any] = ()
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Self:
        """Execute a statement and fetch its rows."""
        if sql.startswith(_BEGIN):
            self._connection.later(sql)
            return self
        return await self._do(lambda cursor: cursor.execute(sql, parameters))

    async def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> Self:
        """Execute a statement for each of `parameters`."""
        return await self._do(lambda cursor: cursor.executemany(sql, parameters))

    async def fetchall(self) -> Sequence[Any]:
        """Return the fetched rows."""
        return self._rows

    async def close(self) -> None:
        """Do nothing: the cursor was closed after its rows were fetched."""

    async def _do(self, statement: Callable[[sqlite3.Cursor], object]) -> Self:
        def work(connection: sqlite3.Connection) -> None:
            cursor = connection.cursor()
            try:
                statement(cursor)
                self._rows = cursor.fetchall() if cursor.description else ()
                self.description = cursor.description
                self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid
            finally:
                cursor.close()

        await self._connection.run(work)
        return self
