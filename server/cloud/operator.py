"""The operator's view of accounts: list, show, suspend and resume them by random id.

Nothing here reveals a person's name or stored content.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Label, Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.errors import CloudError
from server.cloud.storage.models import Account, Collection, Item, Session, Vault

WEEK = 7 * 24 * 60 * 60
PAGE = 1000
"""Maximum number of accounts in one listing."""


class Row(msgspec.Struct):
    """One account. `bytes` and `quota` are in bytes; a quota of 0 means no limit.

    `created_week` and `used_week` are weeks since the epoch: of creation and of the last use.
    `policy` is the version that its owner agreed to, 0 for none.
    """

    id: str
    bytes: int
    quota: int
    collections: int
    items: int
    vaults: int
    sessions: int
    created_week: int
    used_week: int
    policy: int
    suspended: bool


async def list_accounts(db: AsyncSession, after: str, now: int) -> Sequence[Row]:
    """Return up to `PAGE` accounts whose ids follow `after`, sorted by id."""
    query = _query(now).where(Account.id > after).order_by(Account.id).limit(PAGE)
    return [Row(**row) for row in (await db.execute(query)).mappings()]


async def show_account(db: AsyncSession, account: str, now: int) -> Row:
    """Return one account; raises CloudError if the id is unknown."""
    found = await db.execute(_query(now).where(Account.id == account))
    row = found.mappings().one_or_none()
    if row is None:
        raise CloudError(404, "not_found", f"there is no account {account}; see `account list`.")
    return Row(**row)


async def suspend_account(db: AsyncSession, account: str, *, is_suspended: bool) -> None:
    """Suspend an account, which can then only export and erase, or resume it.

    Raises CloudError if the id is unknown.
    """
    change = update(Account).where(Account.id == account).values(suspended=is_suspended)
    if not (await db.execute(change.returning(Account.id))).all():
        raise CloudError(404, "not_found", f"there is no account {account}; see `account list`.")


def _query(now: int) -> Select[*tuple[Any, ...]]:
    items = select(func.count()).select_from(Item).join(Collection)
    own = Session.account == Account.id
    return select(
        Account.id,
        Account.used.label("bytes"),
        Account.quota,
        _count(select(func.count()).where(Collection.owner == Account.id), "collections"),
        _count(items.where(Collection.owner == Account.id), "items"),
        _count(select(func.count()).where(Vault.account == Account.id), "vaults"),
        _count(select(func.count()).where(own, Session.expires_at > now), "sessions"),
        (Account.created_at // WEEK).label("created_week"),
        Account.used_week,
        Account.consent_version.label("policy"),
        Account.suspended,
    )


def _count(query: Select[int], name: str) -> Label[int]:
    return query.correlate(Account).scalar_subquery().label(name)
