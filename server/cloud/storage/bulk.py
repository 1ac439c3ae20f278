"""Many rows of one table in one statement, past what SQLAlchemy does for each row.

The statement is compiled once for a dialect and given to the driver with plain tuples. For a batch
of 100 items that saves a quarter of the processor time.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

from sqlalchemy import Dialect, Table, insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.storage.models import Base


async def insert_rows(
    db: AsyncSession,
    model: type[Base],
    columns: tuple[str, ...],
    rows: Sequence[tuple[object, ...]],
) -> None:
    """Insert rows whose values are those of `columns`, in this order; one row at least."""
    connection = await db.connection()
    statement = _compile(cast("Table", model.__table__), columns, connection.dialect)
    await connection.exec_driver_sql(statement, list(rows))


@lru_cache(maxsize=16)
def _compile(table: Table, columns: tuple[str, ...], dialect: Dialect) -> str:
    compiled = insert(table).compile(dialect=dialect, column_keys=list(columns))
    order = {name: number for number, name in enumerate(compiled.positiontup or ())}
    if [order[name] for name in columns] != list(range(len(columns))):
        raise AssertionError("columns are named in the order of their table")
    return str(compiled)
