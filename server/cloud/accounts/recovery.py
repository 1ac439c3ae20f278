"""Recovery: an account opened by words on paper instead of the password.

The server keeps the public key that the words make, and the account's keys encrypted by them. A
name that is not there, or that has no words, costs the same work as one that has.
"""

from dataclasses import dataclass

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.secrets import Secrets
from server.cloud.storage.models import Recovery

TABLE = "recoveries"
_SEALED = ("key", "wrap", "words")


@dataclass(frozen=True, slots=True)
class Words:
    """What is kept of an account's recovery words, opened: see `storage.models.Recovery`."""

    key: bytes
    wrap: bytes
    words: bytes


async def load_words(db: AsyncSession, secrets: Secrets, account: str | None) -> Words | None:
    """Return what is kept of an account's words, None where it has none or there is no account."""
    query = select(Recovery).where(Recovery.account == (account or ""))
    row = await db.scalar(query)
    opened = [
        secrets.open_decoy()
        if row is None
        else secrets.open(getattr(row, column), TABLE, row.account, column)
        for column in _SEALED
    ]
    return None if row is None else Words(*opened)


async def keep_words(
    db: AsyncSession, secrets: Secrets, account: str, words: Words, now: int
) -> None:
    """Replace what is kept of the words of a locked account."""
    await db.execute(delete(Recovery).where(Recovery.account == account))
    sealed = {
        column: secrets.seal(getattr(words, column), TABLE, account, column) for column in _SEALED
    }
    await db.execute(insert(Recovery).values(account=account, changed_at=now, **sealed))
