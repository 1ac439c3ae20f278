"""Breaches: when each was found, and by when owners have to be told of it."""

from collections.abc import Sequence

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.storage.law_models import Breach
from server.core.cloud_policy import Policy
from server.core.errors import FormatError

HOUR, DAY = 60 * 60, 24 * 60 * 60


async def note_breach(db: AsyncSession, found_at: int, text: str) -> int:
    """Note a breach that owners are not told of yet; returns its number."""
    new = insert(Breach).values(found_at=found_at, text=text).returning(Breach.id)
    return int(await db.scalar(new) or 0)


async def tell_breach(db: AsyncSession, number: int, text: str, now: int) -> None:
    """Tell owners of a breach from now on; raises FormatError where there is none to be told."""
    query = update(Breach).where(Breach.id == number, Breach.told_at.is_(None))
    told = query.values(told_at=now, **({"text": text} if text else {})).returning(Breach.id)
    if (await db.scalar(told)) is None:
        raise FormatError(f"there is no breach {number} that owners are to be told of.")


async def list_breaches(db: AsyncSession, *, are_told: bool) -> Sequence[Breach]:
    """Return the breaches that owners are told of, or are not yet; oldest first."""
    query = select(Breach).where(
        Breach.told_at.is_not(None) if are_told else Breach.told_at.is_(None)
    )
    return (await db.scalars(query.order_by(Breach.found_at, Breach.id))).all()


def find_deadline(breach: Breach, policy: Policy) -> int:
    """Return by when owners have to be told."""
    return breach.found_at + policy.hours.breach_notice * HOUR


def is_told_to(breach: Breach, created_at: int) -> bool:
    """Answer whether a breach concerns an account, which was there when it was found."""
    return created_at <= breach.found_at
