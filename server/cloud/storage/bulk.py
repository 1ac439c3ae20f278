"""Writes whose result is not needed, without SQLAlchemy's work for each row and statement.

A statement is compiled once for a dialect and given to the driver with plain tuples. On SQLite it
runs with the next statement, or with the commit, which then raises its error. A batch of 100 items
takes a third of the processor time.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import cast

from sqlalchemy import Dialect, Table, Update, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from server.cloud.storage.models import Base
from server.storage.one_hop import execute_later


async def insert_rows(
    db: AsyncSession,
    model: type[Base],
    columns: tuple[str, ...],
    rows: Sequence[tuple[object, ...]],
) -> None:
    """Insert rows whose values are those of `columns`, in this order; one row at least."""
    connection = await db.connection()
    statement = _compile_insert(cast("Table", model.__table__), columns, connection.dialect)
    await execute_later(connection, statement, rows)


async def change_rows(
    connection: AsyncConnection, statement: Update, values: Mapping[str, object]
) -> None:
    """Change rows by a statement that a module made once."""
    sql, names, fixed = _compile(statement, connection.dialect)
    given = {**fixed, **values}
    await execute_later(connection, sql, [tuple(given[name] for name in names)])


@lru_cache(maxsize=16)
def _compile(
    statement: Update, dialect: Dialect
) -> tuple[str, Sequence[str], Mapping[str, object]]:
    compiled = statement.compile(dialect=dialect)
    return str(compiled), compiled.positiontup or (), compiled.params


@lru_cache(maxsize=16)
def _compile_insert(table: Table, columns: tuple[str, ...], dialect: Dialect) -> str:
    compiled = insert(table).compile(dialect=dialect, column_keys=list(columns))
    if tuple(compiled.positiontup or ()) != columns:
        raise AssertionError("columns are named in the order of their table")
    return str(compiled)
