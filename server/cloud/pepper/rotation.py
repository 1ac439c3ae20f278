"""Rotate the pepper: find the one a database uses, and re-encrypt it with the next one.

A rotation has three atomic steps. First the next pepper is written to the file. Then one
transaction re-encrypts everything and updates the mark in the database. Finally the former pepper
is removed from the file. A server that starts in between uses the pepper identified by the mark.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BindParameter, Column, Table, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.secrets import Secrets
from server.cloud.storage.models import HASHED, SEALED, Account, Base, Site
from server.storage.database import Sessions
from server.storage.errors import StorageError

_SLICE = 500  # rows read and written at a time


async def choose_secrets(database: Sessions, candidates: Sequence[Secrets]) -> Secrets:
    """Return the candidate whose pepper the database uses; the first one for a new database.

    Raises StorageError or TrustError if the database uses another pepper.
    """
    async with database() as db:
        mark = await db.scalar(select(Site.pepper))
        account = (await db.execute(select(Account.id, Account.name).limit(1))).one_or_none()
    if mark is not None:
        return _find(mark, candidates)
    # The database is new, or an old version without marks wrote it.
    secrets = candidates[0]
    if account is not None:
        secrets.open(account.name, Account.__tablename__, account.id, "name")
    async with database.begin() as db:
        await db.execute(update(Site).values(pepper=secrets.mark))
    return secrets


async def seal_again(database: Sessions, former: Secrets, following: Secrets) -> int:
    """Re-encrypt everything with `following`; returns the number of rows, 0 if done before."""
    count = 0
    async with database.begin() as db:
        mark = await db.scalar(select(Site.pepper).with_for_update())
        if mark is None or _find(mark, (former, following)) is former:
            for table in Base.metadata.sorted_tables:
                count += await _seal_table(db, table, former, following)
            await db.execute(update(Site).values(pepper=following.mark))
    return count


def _find(mark: bytes, candidates: Iterable[Secrets]) -> Secrets:
    for secrets in candidates:
        if secrets.mark == mark:
            return secrets
    raise StorageError(
        "the database is encrypted with another pepper; restore that one with"
        " `hening-server cloud pepper restore`. Nothing was changed."
    )


async def _seal_table(db: AsyncSession, table: Table, former: Secrets, following: Secrets) -> int:
    columns = [column for column in table.columns if column.info in (SEALED, HASHED)]
    if not columns:
        return 0
    (key,) = table.primary_key.columns
    new: dict[str, BindParameter[object]] = {
        column.name: bindparam(f"new_{column.name}") for column in columns
    }
    statement = update(table).where(key == bindparam("row_key")).values(new)
    query = select(key.label("row_key"), *columns).order_by(key).limit(_SLICE)
    rows = (await db.execute(query)).mappings().all()
    count = 0
    while rows:
        values = [
            {"row_key": row["row_key"]}
            | {f"new_{each.name}": _renew(row, each, former, following) for each in columns}
            for row in rows
        ]
        await (await db.connection()).execute(statement, values)
        count += len(rows)
        rows = (await db.execute(query.where(key > rows[-1]["row_key"]))).mappings().all()
    return count


def _renew(
    row: Any,  # noqa: ANN401 - a mapping of any columns
    column: Column[Any],
    former: Secrets,
    following: Secrets,
) -> bytes | None:
    value: bytes | None = row[column.name]
    if value is None:
        return None
    if column.info == HASHED:
        return following.hash_again(value)
    place = (column.table.name, str(row["row_key"]), column.name)
    return following.seal(former.open(value, *place), *place)
