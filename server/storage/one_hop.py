"""Runs SQLite statements in connection threads: one thread hop for a statement.

aiosqlite has a hop each to make a cursor, to execute, to fetch and to close, and one to roll back
where there is no transaction. A hop is two thread switches, each of which waits for the interpreter
in a busy process. A halt runs sixty statements.
"""

import functools
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Self

import aiosqlite

_CHUNK = 64  # rows of an aiosqlite iteration, which nothing uses


def connect(file: str, **options: Any) -> Awaitable[aiosqlite.Connection]:
    """Connect as `aiosqlite.connect` does, with the `options` of `sqlite3.connect`."""
    connection = _Connection(functools.partial(sqlite3.connect, file, **options), _CHUNK)
    connection._thread.daemon = True  # noqa: SLF001 - what SQLAlchemy does to those that it makes
    return connection


class _Connection(aiosqlite.Connection):
    """A connection as SQLAlchemy uses it: one task at a time, and cursors for one statement."""

    _may_be_open = False  # a call failed or was cancelled: always roll back

    def cursor(self) -> "_Cursor":  # type: ignore[override]
        """Return a cursor, without a hop."""
        return _Cursor(self)

    async def rollback(self) -> None:
        """Roll back, where there may be a transaction."""
        if self._may_be_open or self.in_transaction:
            await super().rollback()
            self._may_be_open = False

    async def run(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Run `work` in the connection's thread."""
        await self._execute(work, self._conn)

    async def _execute(self, fn: Callable[..., object], *args: object, **named: object) -> object:
        try:
            return await super()._execute(fn, *args, **named)  # type: ignore[no-untyped-call]
        except BaseException:
            self._may_be_open = True
            raise


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
        return await self._do(lambda cursor: cursor.execute(sql, parameters))

    async def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> Self:
        """Execute a statement for each of `parameters`."""
        return await self._do(lambda cursor: cursor.executemany(sql, parameters))

    async def fetchall(self) -> Sequence[Any]:
        """Return the rows that were fetched."""
        return self._rows

    async def close(self) -> None:
        """Do nothing: it was closed when the rows were there."""

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
