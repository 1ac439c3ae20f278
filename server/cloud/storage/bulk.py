"""Write many rows in one statement, without SQLAlchemy's overhead per row.

A write without a result is compiled once per dialect and passed to the driver with plain tuples.
On SQLite it runs together with the next statement or the commit, which then raises its error. A
batch of 100 items takes a third of the CPU time. A condition on many values uses one parameter, so
its statement is compiled once, too.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

import msgspec
from sqlalchemy import ColumnElement, Dialect, String, Table, Update, bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement

from server.cloud.storage.models import Base
from server.storage.sqlite_connection import execute_later


class _Elements(FunctionElement[str]):
    """A table function that returns the texts of a JSON array as rows of a column `value`."""

    inherit_cache = True


@compiles(_Elements)
def _name_function(element: _Elements, compiler: SQLCompiler, **options: Any) -> str:
    array = compiler.process(element.clauses, **options)
    if compiler.dialect.name == "postgresql":
        return f"json_array_elements_text(CAST({array} AS json))"
    return f"json_each({array})"


def is_among(column: Any, parameter: str) -> ColumnElement[bool]:  # noqa: ANN401 - any column
    """Return the condition that a column equals one of the texts in `parameter`.

    The parameter's value is the result of `pack`, one value for any number of texts.
    """
    texts = _Elements(bindparam(parameter, type_=String)).table_valued("value")
    found: ColumnElement[bool] = column.in_(select(texts.c.value))
    return found


def pack(texts: Iterable[str]) -> str:
    """Return texts as the value of a parameter for `is_among`."""
    return msgspec.json.encode(list(texts)).decode()


async def insert_rows(
    db: AsyncSession,
    model: type[Base],
    columns: tuple[str, ...],
    rows: Sequence[tuple[object, ...]],
) -> None:
    """Insert at least one row; each row's values are in the order of `columns`."""
    connection = await db.connection()
    statement = _compile_insert(cast("Table", model.__table__), columns, connection.dialect)
    await execute_later(connection, statement, rows)


async def change_rows(
    connection: AsyncConnection, statement: Update, values: Mapping[str, object]
) -> None:
    """Execute a module's prebuilt UPDATE statement with these parameters."""
    sql, names, fixed = _compile(statement, connection.dialect)
    parameters = {**fixed, **values}
    await execute_later(connection, sql, [tuple(parameters[name] for name in names)])


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
        raise AssertionError("`columns` must be in the order of the table")
    return str(compiled)
