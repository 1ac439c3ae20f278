"""Many rows in one statement, without SQLAlchemy's work for each row.

A write whose result is not needed is compiled once for a dialect and given to the driver with plain
tuples. On SQLite it runs with the next statement, or with the commit, which then raises its error.
A batch of 100 items takes a third of the processor time. A condition on many values is a statement
of one parameter, which is compiled once.
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
from server.storage.one_hop import execute_later


class _Elements(FunctionElement[str]):
    """The texts of a JSON array, as rows of a column `value`."""

    inherit_cache = True


@compiles(_Elements)
def _name_function(element: _Elements, compiler: SQLCompiler, **options: Any) -> str:
    array = compiler.process(element.clauses, **options)
    if compiler.dialect.name == "postgresql":
        return f"json_array_elements_text(CAST({array} AS json))"
    return f"json_each({array})"


def is_among(column: Any, parameter: str) -> ColumnElement[bool]:  # noqa: ANN401 - any column
    """Return the condition that a column has one of the texts that `parameter` holds as `pack`.

    They are one value, however many they are.
    """
    texts = _Elements(bindparam(parameter, type_=String)).table_valued("value")
    found: ColumnElement[bool] = column.in_(select(texts.c.value))
    return found


def pack(texts: Iterable[str]) -> str:
    """Return texts as the value of a parameter of `is_among`."""
    return msgspec.json.encode(list(texts)).decode()


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
