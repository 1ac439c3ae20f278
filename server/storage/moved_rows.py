"""All rows of a SQLite database move to a PostgreSQL database, once.

    1  the SQLite file is locked for writers      a crash leaves it as it was
    2  the rows are in the other database         a crash leaves them there, marked as unfinished:
                                                  the next run replaces them
    3  the SQLite file refuses every write        a crash leaves the mark: the next run removes it
    4  the mark is gone                           the other database is the server's

The mark is a row of `leases`. The refusal is a trigger for each table, so a server that still runs
on the file answers phones, and can change nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sqlalchemy import Connection, RowMapping, Table, delete, func, insert, select, text

from server.storage.database import migrate, with_connection
from server.storage.engine import MOVED
from server.storage.errors import StorageError
from server.storage.layout import PostgresAddress
from server.storage.models import AuditLogEntry, AuditLogHead, Base, Lease

BATCH = 1000  # rows of one statement
MARK = "move"
_TABLES = Base.metadata.sorted_tables


Check = Callable[[Connection], object]
"""Raises an error unless the rows may move; no process can write to the database meanwhile."""


def move_rows(
    source: Path, target: PostgresAddress, check: Check = lambda _connection: None
) -> int:
    """Copy every row of `source` to `target` and close `source`; returns how many rows there are.

    A second run after a crash completes it. Raises StorageError for a target that holds something
    else, and what `check` raises, before anything is copied.
    """
    migrate(target)
    rows = 0
    if not with_connection(source, _is_closed, writes=False):

        def copy(connection: Connection) -> int:
            check(connection)
            return _copy_and_close(connection, target)

        rows = with_connection(source, copy)
    elif not with_connection(target, _holds(source), writes=False):
        raise StorageError(
            "the rows of this server moved to another PostgreSQL database already: name that one."
        )
    with_connection(target, _unmark)
    return rows or with_connection(target, _count, writes=False)


def is_moved(source: Path) -> bool:
    """Answer whether the rows of a SQLite database moved elsewhere."""
    return with_connection(source, _is_closed, writes=False)


def _is_closed(connection: Connection) -> bool:
    query = text(
        "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'moved_%'"
    )
    return bool(connection.scalar(query))


def _holds(source: Path) -> Callable[[Connection], bool]:
    """Return what answers whether a database has the newest entry of the audit log of `source`."""
    query = select(AuditLogEntry.index, AuditLogEntry.sha256)
    newest = query.order_by(AuditLogEntry.index.desc()).limit(1)
    entry = with_connection(source, lambda c: c.execute(newest).one_or_none(), writes=False)

    def holds(target: Connection) -> bool:
        if entry is None:
            return _count(target) > 0
        return target.execute(query.filter_by(index=entry.index)).one_or_none() == entry

    return holds


def _copy_and_close(source: Connection, target: PostgresAddress) -> int:
    # All in memory, some hundred bytes each: the longest table is the audit log.
    found = {table: source.execute(select(table)).mappings().all() for table in _TABLES}
    rows = with_connection(target, lambda connection: _replace(connection, found))
    for table in _TABLES:
        for change in ("INSERT", "UPDATE", "DELETE"):
            source.execute(
                text(
                    f'CREATE TRIGGER "moved_{table.name}_{change.lower()}" BEFORE {change} ON'
                    f" \"{table.name}\" BEGIN SELECT RAISE(ABORT, '{MOVED}'); END"
                )
            )
    return rows


def _replace(target: Connection, rows: Mapping[Table, Sequence[RowMapping]]) -> int:
    is_unfinished = target.scalar(select(Lease.name).where(Lease.name == MARK)) is not None
    if not is_unfinished and _count(target):
        raise StorageError(
            "the PostgreSQL database holds a server already: make an empty one for this server."
        )
    for table in reversed(_TABLES):
        target.execute(delete(table))
    for table in _TABLES:
        for at in range(0, len(rows[table]), BATCH):
            target.execute(insert(table), [dict(row) for row in rows[table][at : at + BATCH]])
    # Leases of the old machine end here; their fences go on, so none is used twice.
    target.execute(text("UPDATE leases SET expires_at = 0"))
    target.execute(insert(Lease).values(name=MARK, holder="", fence=0, expires_at=0))
    return sum(map(len, rows.values()))


def _unmark(target: Connection) -> None:
    target.execute(delete(Lease).where(Lease.name == MARK))


def _count(target: Connection) -> int:
    """Count the rows, without the one that a migration makes."""
    made = target.scalar(select(func.count()).where(AuditLogHead.length == 0)) or 0
    found = (target.scalar(select(func.count()).select_from(table)) or 0 for table in _TABLES)
    return sum(found) - made
