"""Tokens that an owner made for a program: for one door, and perhaps only to read."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.accounts.owners import refuse_pepper, refuse_suspended
from server.cloud.errors import CloudError, not_found
from server.cloud.secrets import Secrets
from server.cloud.storage.models import Account, AppToken, Site


class Door(StrEnum):
    """What a token opens."""

    BLOBS = "blobs"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A program that showed a valid token: whose it is, and whether it may change anything."""

    account: str
    reads_only: bool

    def check_may_write(self) -> None:
        """Raise CloudError for a token that only reads."""
        if self.reads_only:
            raise CloudError(403, "reads_only", "this token reads only; make another one.")


async def add_app_token(
    db: AsyncSession,
    account: str,
    token_id: str,
    token: str,
    door: Door,
    now: int,
    *,
    reads_only: bool,
    most: int,
) -> None:
    """Store a token that was drawn for one door; raises CloudError where there are `most`."""
    await db.execute(select(Account.id).where(Account.id == account).with_for_update())
    count = await db.scalar(select(func.count()).where(AppToken.account == account))
    if (count or 0) >= most:
        raise CloudError(
            409, "too_many_tokens", f"there are {most} tokens already; remove one that is not used."
        )
    await db.execute(
        insert(AppToken).values(
            id=token_id,
            account=account,
            token_sha256=_hash(token),
            door=door,
            reads_only=reads_only,
            created_at=now,
        )
    )


async def list_app_tokens(db: AsyncSession, account: str) -> Sequence[AppToken]:
    """Return the tokens of an account, newest first."""
    query = select(AppToken).where(AppToken.account == account)
    return (await db.scalars(query.order_by(AppToken.created_at.desc(), AppToken.id))).all()


async def remove_app_token(db: AsyncSession, account: str, token_id: str) -> None:
    """Remove a token; raises CloudError where the account has none of this id."""
    query = delete(AppToken).where(AppToken.account == account, AppToken.id == token_id)
    if not (await db.execute(query.returning(AppToken.id))).all():
        raise not_found("token")


async def find_visitor(
    db: AsyncSession, secrets: Secrets, name: str, token: str, door: Door
) -> Visitor:
    """Return who shows a name and a token; raises CloudError, the same for any that is wrong."""
    query = (
        select(
            AppToken.account,
            AppToken.reads_only,
            Account.name_hash,
            Account.suspended,
            Site.pepper,
        )
        .select_from(Site)
        .join(AppToken, (AppToken.token_sha256 == _hash(token)) & (AppToken.door == door))
        .join(Account, Account.id == AppToken.account)
    )
    row = (await db.execute(query)).one_or_none()
    if row is not None and row.pepper != secrets.mark:
        raise refuse_pepper()
    if row is None or not hmac.compare_digest(row.name_hash, secrets.name_hash(name)):
        raise CloudError(401, "invalid_token", "name and token do not belong together.")
    if row.suspended:
        raise refuse_suspended()
    return Visitor(row.account, row.reads_only)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
