"""The rows of a database into another one, on SQLite or PostgreSQL alike."""

from collections.abc import AsyncIterator

from sqlalchemy import Integer, Table, func, insert, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from server.cloud.storage.law_models import PolicyRow
from server.cloud.storage.models import Lease
from server.storage.database import Sessions

ROWS = 500
"""Rows in memory at a time; one has 80 KiB at most."""
TABLES = PolicyRow.metadata.sorted_tables
LEFT_OUT = {Lease.__tablename__}
"""Tables that say what processes do just now."""


async def copy_rows(source: Sessions, target: AsyncSession) -> int:
    """Copy all rows as they are at one moment; returns how many.

    `target` has the same tables, without rows, in a transaction that writes.
    """
    total = 0
    writing = await target.connection()
    async with source() as db:
        await at_one_moment(db)
        reading = await db.connection()
        for table in TABLES:
            if table.name in LEFT_OUT:
                continue
            async for rows in _pages(reading, table):
                await writing.execute(insert(table), rows)
                total += len(rows)
            if _is_postgresql(target):
                await _count_on(target, table)
    return total


async def _pages(reading: AsyncConnection, table: Table) -> AsyncIterator[list[dict[str, object]]]:
    keys = tuple(table.primary_key.columns)
    query = select(table).order_by(*keys).limit(ROWS)
    rows = (await reading.execute(query)).mappings().all()
    while rows:
        yield [dict(row) for row in rows]
        last = [rows[-1][key.name] for key in keys]
        after = query.where(tuple_(*keys) > tuple_(*last))
        rows = (await reading.execute(after)).mappings().all()


async def at_one_moment(db: AsyncSession) -> None:
    """Let all that a session reads be of one moment, as it is on SQLite in any case."""
    if _is_postgresql(db):
        _ = await db.connection(execution_options={"isolation_level": "REPEATABLE READ"})


async def _count_on(db: AsyncSession, table: Table) -> None:
    """Let PostgreSQL number new rows after those that were copied."""
    key = table.primary_key.columns.values()[0]
    if isinstance(key.type, Integer) and key.autoincrement is not False:
        highest = await db.scalar(select(func.max(key)))
        if highest is not None:
            sequence = func.pg_get_serial_sequence(text(f"'{table.name}'"), text(f"'{key.name}'"))
            await db.execute(select(func.setval(sequence, highest)))


def _is_postgresql(db: AsyncSession) -> bool:
    return db.get_bind().dialect.name == "postgresql"
