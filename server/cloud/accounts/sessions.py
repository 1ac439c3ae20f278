"""Sessions: a device's token, known by its sha256 alone."""

import hashlib

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.errors import CloudError, not_found
from server.cloud.storage.models import Session


async def add_session(
    db: AsyncSession, account: str, session: str, token: str, seconds: int, now: int
) -> None:
    """Log a device in for `seconds`, as the session of the id `session` with a new `token`."""
    await db.execute(
        insert(Session).values(
            id=session,
            account=account,
            token_sha256=_hash(token),
            created_at=now,
            expires_at=now + seconds,
        )
    )


async def find_account(db: AsyncSession, token: str, now: int) -> str:
    """Return whose session a token is; raises CloudError for one that is not valid."""
    query = select(Session.account).where(
        Session.token_sha256 == _hash(token), Session.expires_at > now
    )
    account = await db.scalar(query)
    if account is None:
        raise CloudError(401, "invalid_token", "this device is not logged in; log in again.")
    return account


async def end_session(db: AsyncSession, token: str) -> None:
    """Log one device out."""
    await db.execute(delete(Session).where(Session.token_sha256 == _hash(token)))


async def list_sessions(
    db: AsyncSession, account: str, token: str, now: int
) -> list[tuple[str, int, int, bool]]:
    """Return id, beginning, end and whether it is of `token`, of each session; newest first."""
    query = select(
        Session.id, Session.created_at, Session.expires_at, Session.token_sha256 == _hash(token)
    ).where(Session.account == account, Session.expires_at > now)
    rows = await db.execute(query.order_by(Session.created_at.desc(), Session.id))
    return [(row[0], row[1], row[2], bool(row[3])) for row in rows]


async def end_session_of(db: AsyncSession, account: str, session: str) -> None:
    """Log out the session of an id; raises CloudError where the account has none of it."""
    query = delete(Session).where(Session.account == account, Session.id == session)
    if not (await db.execute(query.returning(Session.id))).all():
        raise not_found("session")


async def end_others(db: AsyncSession, account: str, token: str) -> None:
    """Log all devices of an account out but the one of `token`."""
    await db.execute(
        delete(Session).where(Session.account == account, Session.token_sha256 != _hash(token))
    )


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
