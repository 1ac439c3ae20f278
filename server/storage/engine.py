"""Engines: how connections are made, how transactions begin, and how faults are reported.

On SQLite a writing transaction is exclusive from its first statement on (BEGIN IMMEDIATE): it waits
for another one only at its beginning, and what it has read stays valid. Within a process a gate
grants turns. A connection's thread holds its turn from before the transaction begins until after it
ends. On PostgreSQL writers run concurrently, and a writer that depends on a row locks it.
"""

import asyncio
import contextlib
import socket
import sqlite3
import sys
import threading
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DataError, IntegrityError, NotSupportedError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from server.storage import sqlite_connection
from server.storage.errors import StorageError
from server.storage.layout import Place, PostgresAddress
from server.storage.room import NoRoomError

if TYPE_CHECKING:
    import asyncpg

IN_A_ROW = 8  # urgent turns: a halt takes about as many


class WriteGate:
    """The gate of one database file, for all threads of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_taken = False
        self._urgent: deque[threading.Event] = deque()
        self._ordinary: deque[threading.Event] = deque()
        self._in_a_row = 0  # urgent turns while an ordinary writer waited

    def take(self, seconds: float, *, is_urgent: bool) -> bool:
        """Wait for up to `seconds` for a turn; returns False if none was granted.

        Each class is served in the order of arrival. An ordinary writer is next if no urgent one
        waits, or after `IN_A_ROW` urgent turns. Blocks the thread.
        """
        queue = self._urgent if is_urgent else self._ordinary
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return True
            turn = threading.Event()
            queue.append(turn)
        if turn.wait(seconds):
            return True
        with self._lock:
            if turn.is_set():  # granted at this moment
                return True
            queue.remove(turn)
        return False

    def give(self) -> None:
        """End a turn: the next one begins."""
        with self._lock:
            if not (self._urgent or self._ordinary):
                self._is_taken = False
            elif self._urgent and (self._in_a_row < IN_A_ROW or not self._ordinary):
                self._in_a_row = self._in_a_row + 1 if self._ordinary else 0
                self._urgent.popleft().set()
            else:
                self._in_a_row = 0
                self._ordinary.popleft().set()


WRITES = "writes"
"""The execution option of connections whose transactions write."""

BEGIN_WRITING = "BEGIN IMMEDIATE"
BUSY_SECONDS = 10  # how long a writer waits for another one's transaction
CONNECT_SECONDS = 10
COMMAND_SECONDS = 60  # no statement takes a second, unless it waits for a lock
# The locks of a machine that disappeared are released after a minute, not two hours.
KEEPALIVE = {
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
LOST_SECONDS = 10
"""How long the database's machine may be silent, since a lost machine closes no connection.

A server that only hangs still acknowledges received data.
"""
MOVED = "this server moved to another database"
"""The error for writes to a database that `server.publisher.maintenance.move` closed."""
OUR_ERRORS = (DataError, IntegrityError, NotSupportedError, ProgrammingError)
"""Errors that the caller caused or expects, which are not external failures."""


def make_engine(
    place: Place, gate: WriteGate | None = None, *, is_urgent: bool = False
) -> AsyncEngine:
    """Return an engine on a migrated database; it connects at its first use.

    Writers on SQLite take turns at `gate`, by default one of this engine; an engine that
    `is_urgent` goes first. A connection that died while idle is replaced silently. Other faults of
    the database, or of the network, are raised as StorageError.
    """
    if not isinstance(place, PostgresAddress):
        turns = gate or WriteGate()

        def connect(*args: Any, **kwargs: Any) -> _GatedConnection:
            connection = _GatedConnection(*args, **kwargs)
            connection.gate, connection.is_urgent = turns, is_urgent
            return connection

        engine = create_async_engine(
            f"sqlite+aiosqlite:///{place}",
            hide_parameters=True,
            connect_args={"factory": connect, "async_creator_fn": sqlite_connection.connect},
        )
        set_begin_hooks(engine.sync_engine)
        _write_ahead(engine.sync_engine)
    else:
        engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=lambda: _connect(place),
            pool_pre_ping=True,
            hide_parameters=True,
        )
    translate_errors(engine.sync_engine, place)
    return engine


def set_begin_hooks(engine: Engine) -> None:
    """Begin SQLite's transactions explicitly: Python's sqlite3 would do it later."""

    @event.listens_for(engine, "connect")
    def _configure(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql(BEGIN_WRITING if writes else "BEGIN")


def translate_errors(engine: Engine, place: Place) -> None:
    """Raise external failures as StorageError, in a sentence without statement or parameters."""

    @event.listens_for(engine, "handle_error")
    def _name(context: ExceptionContext) -> None:
        found = context.original_exception
        is_ours = isinstance(context.sqlalchemy_exception, OUR_ERRORS) and MOVED not in str(found)
        if is_ours or (context.sqlalchemy_exception is None and not isinstance(found, OSError)):
            return
        raise _fault(place, found) from found


class _GatedConnection(sqlite3.Connection):
    """A SQLite connection whose writing transactions take a turn at the gate."""

    gate: WriteGate
    is_urgent: bool
    _has_turn = False

    def cursor(self, factory: Any = None) -> Any:  # noqa: ANN401 - of the requested class
        """Return a cursor that takes the turn when it begins to write."""
        return super().cursor(_GatedCursor if factory is None else factory)

    def take_turn(self) -> None:
        """Wait for the turn; raises SQLite's error if another transaction lasts too long."""
        if not self.gate.take(BUSY_SECONDS, is_urgent=self.is_urgent):
            raise sqlite3.OperationalError("database is locked")
        self._has_turn = True

    def end_turn(self) -> None:
        """End the turn, if this connection has it."""
        if self._has_turn:
            self._has_turn = False
            self.gate.give()

    def commit(self) -> None:
        """Commit. If that fails, the transaction continues, and keeps the turn."""
        super().commit()
        self.end_turn()

    def rollback(self) -> None:
        """Roll back, and end the turn."""
        try:
            super().rollback()
        finally:
            self.end_turn()

    def close(self) -> None:
        """Close, which rolls back, and end the turn."""
        try:
            super().close()
        finally:
            self.end_turn()


class _GatedCursor(sqlite3.Cursor):
    """A cursor that takes the turn of its connection before a transaction that writes."""

    connection: _GatedConnection

    def execute(self, sql: str, *parameters: Any) -> Self:
        """Execute a statement; one that begins to write waits for the turn first."""
        if sql != BEGIN_WRITING:
            return super().execute(sql, *parameters)
        self.connection.take_turn()
        try:
            return super().execute(sql, *parameters)
        except BaseException:
            self.connection.end_turn()
            raise


def _write_ahead(engine: Engine) -> None:
    """Set a write-ahead log and full sync: a commit that returned survives a power cut."""

    @event.listens_for(engine, "connect")
    def _configure(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={BUSY_SECONDS * 1000}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


async def ask_postgres(address: PostgresAddress, query: str) -> str | None:
    """Return a query's one value, over a connection of its own; None if it fails or has none.

    Raises StorageError if there is no connection.
    """
    import asyncpg  # noqa: PLC0415 - most commands work on SQLite

    connection = await _connect(address)
    with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        try:
            found: str | None = await connection.fetchval(query)
            return found
        finally:
            await connection.close()
    return None


async def _connect(address: PostgresAddress) -> "asyncpg.Connection":
    """Connect as libpq would: a password may come from the address, PGPASSFILE or ~/.pgpass."""
    import asyncpg  # noqa: PLC0415 - most commands work on SQLite

    # The library tries one machine after the other within one timeout, and a machine that
    # disappeared would use it up.
    attempts = [asyncio.create_task(_ask(address, *each)) for each in address.hosts]
    try:
        connection = await (_first(attempts) if attempts else _ask(address))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise _fault(address, error) from error
    transport = connection._transport  # noqa: SLF001 - there is no option for this
    _end_when_lost(transport.get_extra_info("socket"))
    return connection


async def _ask(
    address: PostgresAddress, host: str | None = None, port: int | None = None
) -> "asyncpg.Connection":
    """Connect to `host` of the address, by default to the host or hosts that it names."""
    import asyncpg  # noqa: PLC0415 - most commands work on SQLite

    return await asyncpg.connect(
        address.url,
        host=host,
        port=port,
        timeout=CONNECT_SECONDS,
        command_timeout=COMMAND_SECONDS,
        server_settings={"application_name": "hening", **KEEPALIVE},
    )


async def _first(attempts: "Sequence[asyncio.Task[asyncpg.Connection]]") -> "asyncpg.Connection":
    """Return the first connection, and end the other tasks; raises an error if there is none."""
    waiting = set(attempts)
    try:
        while True:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            errors = [each.exception() for each in done]
            connections = [each.result() for each in done if each.exception() is None]
            for other in connections[1:]:
                other.terminate()
            if connections:
                return connections[0]
            if not waiting:
                raise next(error for error in errors if error is not None)
    finally:
        for each in waiting:
            each.cancel()


def _end_when_lost(opened: socket.socket) -> None:
    """Let the system close a connection whose peer is silent for LOST_SECONDS."""
    if sys.platform == "linux" and opened.family in {socket.AF_INET, socket.AF_INET6}:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (
            (socket.TCP_USER_TIMEOUT, LOST_SECONDS * 1000),
            (socket.TCP_KEEPIDLE, LOST_SECONDS // 2),
            (socket.TCP_KEEPINTVL, LOST_SECONDS // 2),
        ):
            opened.setsockopt(socket.IPPROTO_TCP, option, value)


def _fault(place: Place, error: BaseException) -> StorageError:
    name = place if isinstance(place, PostgresAddress) else place.name
    # The lines after the first hold the statement, or advice that does not apply here.
    reason = str(error).partition("\n")[0].rpartition(">: ")[2].rstrip(".") or type(error).__name__
    if "database is locked" in reason:
        return StorageError(
            f"the database {name} is locked for over {BUSY_SECONDS} seconds: a process that is"
            f" stopped or hangs during a change holds the lock. Find it with `fuser {name}`, and"
            " continue or end it."
        )
    if MOVED in reason:
        return StorageError(
            f"the database {name} is closed, because {MOVED}: start the server again with the"
            " settings that `hening-server move` showed."
        )
    if "disk is full" in reason or "No space left" in reason:
        return NoRoomError(f"there is no room for the database {name}: make room on its disk.")
    return StorageError(f"the database {name} fails: {reason}; check that it runs and has room.")
