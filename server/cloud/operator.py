"""What an operator sees of accounts, by their random ids, and may stop.

Nothing of it names a person or tells what is stored.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row as SqlRow
from sqlalchemy import Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.errors import CloudError
from server.cloud.storage.models import Account, Collection, Item, Session, Vault

WEEK = 7 * 24 * 60 * 60
PAGE = 1000
"""Accounts that are listed at a time."""


class Row(msgspec.Struct):
    """One account. `bytes` and `quota` are bytes, a quota of 0 is no limit.

    `created_week` is the week since the epoch in which it was made.
    """

    id: str
    bytes: int
    quota: int
    collections: int
    items: int
    vaults: int
    sessions: int
    created_week: int
    suspended: bool


async def list_accounts(db: AsyncSession, after: str, now: int) -> Sequence[Row]:
    """Return up to `PAGE` accounts whose ids follow `after`, in the order of their ids."""
    query = _query(now).where(Account.id > after).order_by(Account.id).limit(PAGE)
    return [_to_row(row) for row in (await db.execute(query)).all()]


async def show_account(db: AsyncSession, account: str, now: int) -> Row:
    """Return one account; raises CloudError where there is none of this id."""
    row = (await db.execute(_query(now).where(Account.id == account))).one_or_none()
    if row is None:
        raise CloudError(404, "not_found", f"there is no account {account}; see `account list`.")
    return _to_row(row)


async def suspend_account(db: AsyncSession, account: str, *, is_suspended: bool) -> None:
    """Serve nothing to an account from now on, or serve it again; raises CloudError."""
    change = update(Account).where(Account.id == account).values(suspended=is_suspended)
    if not (await db.execute(change.returning(Account.id))).all():
        raise CloudError(404, "not_found", f"there is no account {account}; see `account list`.")


def _query(now: int) -> Select[*tuple[Any, ...]]:
    return select(
        Account.id,
        Account.used,
        Account.quota,
        Account.created_at,
        Account.suspended,
        select(func.count()).where(Collection.owner == Account.id).scalar_subquery(),
        select(func.count())
        .select_from(Item)
        .join(Collection, Collection.id == Item.collection)
        .where(Collection.owner == Account.id)
        .scalar_subquery(),
        select(func.count()).where(Vault.account == Account.id).scalar_subquery(),
        select(func.count())
        .where(Session.account == Account.id, Session.expires_at > now)
        .scalar_subquery(),
    )


def _to_row(found: SqlRow[*tuple[Any, ...]]) -> Row:
    account, used, quota, created_at, suspended, collections, items, vaults, sessions = found
    return Row(
        id=account,
        bytes=used,
        quota=quota,
        collections=collections,
        items=items,
        vaults=vaults,
        sessions=sessions,
        created_week=created_at // WEEK,
        suspended=suspended,
    )
