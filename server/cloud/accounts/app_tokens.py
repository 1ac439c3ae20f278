"""Tokens that an owner made for a program: for one door, and perhaps only to read."""

import hashlib
from collections.abc import Sequence
from enum import StrEnum

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.errors import CloudError, not_found
from server.cloud.storage.models import Account, AppToken


class Door(StrEnum):
    """What a token opens."""

    BLOBS = "blobs"


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
            token_sha256=hash_token(token),
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


def hash_token(token: str) -> bytes:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).digest()
