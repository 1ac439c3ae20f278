"""Copy all rows between databases, SQLite or PostgreSQL, and the bodies that they refer to.

A row holds its body's name in the store, its length, and its hash.
"""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Integer, Select, Table, func, insert, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from server.cloud.blobs.vaults import CONFIG
from server.cloud.records.chunks import matches_name
from server.cloud.storage.bodies import Bodies
from server.cloud.storage.law_models import PolicyRow
from server.cloud.storage.models import Blob, Chunk, Lease
from server.storage.database import Sessions
from server.storage.errors import StorageError

ROWS = 500
"""Rows in memory at a time; a row has at most 80 KiB."""
TABLES = PolicyRow.metadata.sorted_tables
LEFT_OUT = {Lease.__tablename__}
"""Tables that are not copied, as they describe running processes."""
PAGE = 1000
"""Bodies in memory at a time."""


async def copy_rows(source: Sessions, target: AsyncSession) -> int:
    """Copy all rows from one snapshot of `source`; returns their number.

    `target` is in a write transaction and has the same tables, all empty.
    """
    total = 0
    writing = await target.connection()
    async with source() as db:
        await at_one_moment(db)
        reading = await db.connection()
        for table in TABLES:
            if table.name in LEFT_OUT:
                continue
            async for rows in _pages_of_rows(reading, table):
                await writing.execute(insert(table), rows)
                total += len(rows)
            if _is_postgresql(target):
                await _count_on(target, table)
    return total


async def _pages_of_rows(
    reading: AsyncConnection, table: Table
) -> AsyncIterator[list[dict[str, object]]]:
    keys = tuple(table.primary_key.columns)
    query = select(table).order_by(*keys).limit(ROWS)
    rows = (await reading.execute(query)).mappings().all()
    while rows:
        yield [dict(row) for row in rows]
        last = [rows[-1][key.name] for key in keys]
        after = query.where(tuple_(*keys) > tuple_(*last))
        rows = (await reading.execute(after)).mappings().all()


async def at_one_moment(db: AsyncSession) -> None:
    """Make all reads of a session use one snapshot, as they always do on SQLite."""
    if _is_postgresql(db):
        _ = await db.connection(execution_options={"isolation_level": "REPEATABLE READ"})


async def _count_on(db: AsyncSession, table: Table) -> None:
    """Advance PostgreSQL's sequence past the copied rows."""
    key = table.primary_key.columns.values()[0]
    if isinstance(key.type, Integer) and key.autoincrement is not False:
        highest = await db.scalar(select(func.max(key)))
        if highest is not None:
            sequence = func.pg_get_serial_sequence(text(f"'{table.name}'"), text(f"'{key.name}'"))
            await db.execute(select(func.setval(sequence, highest)))


def _is_postgresql(db: AsyncSession) -> bool:
    return db.get_bind().dialect.name == "postgresql"


@dataclass(frozen=True, slots=True)
class NamedBody:
    """A body that a row refers to: its name in the store, length in bytes, and sha256.

    `sha256` is hexadecimal. It is None if the stored name ends with the hash, and "" for a vault's
    config, which has no hash.
    """

    stored: str
    length: int
    sha256: str | None

    def matches(self, digest: "hashlib._Hash") -> bool:
        """Return whether the sha256 of a body's bytes is the expected one."""
        if self.sha256 is None:
            return matches_name(self.stored, digest.digest())
        return self.sha256 in {"", digest.hexdigest()}

    async def verified(self, pieces: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """Yield the pieces; raises DamagedError at the end if length or hash differ."""
        digest, length = hashlib.sha256(), 0
        async for piece in pieces:
            digest.update(piece)
            length += len(piece)
            yield piece
        if length != self.length or not self.matches(digest):
            raise DamagedError(f"the body {self.stored} is damaged.")


class DamagedError(StorageError):
    """A stored body has the wrong length or hash."""


async def pages_of_named(database: Sessions) -> AsyncIterator[list[NamedBody]]:
    """Yield all bodies that rows refer to, in pages."""
    blobs = select(Blob.id, Blob.stored, Blob.length, Blob.name)
    chunks = select(Chunk.id, Chunk.stored, Chunk.length).where(Chunk.stored.is_not(None))
    async for page in _pages(database, blobs, Blob.id):
        yield [NamedBody(row[1], row[2], "" if row[3] == CONFIG else row[3]) for row in page]
    async for page in _pages(database, chunks, Chunk.id):
        yield [NamedBody(row[1], row[2], None) for row in page]


async def find_named(db: AsyncSession, names: list[str]) -> dict[str, int]:
    """Return the lengths, by name, of those of these bodies that a row refers to."""
    found: dict[str, int] = {}
    for query in (select(Blob.stored, Blob.length), select(Chunk.stored, Chunk.length)):
        rows = await db.execute(query.where(query.selected_columns[0].in_(names)))
        found.update((str(row[0]), row[1]) for row in rows)
    return found


async def copy_missing(source: Bodies, target: Bodies, database: Sessions) -> int:
    """Copy the bodies that rows refer to and `target` lacks; returns their number.

    Raises FileNotFoundError or DamagedError at the first missing or damaged body.
    """
    existing = {each.name: each.length async for page in target.pages() for each in page}
    count = 0
    async for page in pages_of_named(database):
        for body in page:
            if existing.get(body.stored) != body.length:
                pieces = source.get(body.stored, 0, body.length)
                await target.put(body.stored, body.verified(pieces))
                count += 1
    return count


async def _pages(
    database: Sessions,
    query: Select[*tuple[Any, ...]],
    key: Any,  # noqa: ANN401 - a column
) -> AsyncIterator[list[Any]]:
    """Yield pages of rows, each read in its own session, as processing a page may take long."""
    after = 0
    while True:
        async with database() as db:
            rows = (await db.execute(query.where(key > after).order_by(key).limit(PAGE))).all()
        if not rows:
            return
        yield list(rows)
        after = rows[-1][0]
