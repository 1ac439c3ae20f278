"""Erasures that are announced: until they begin, the owner can export, or stop them.

An account that was not used for the policy's days is announced, and erased after the days of its
notice. Any use of it ends that. There is no address to write to, so the notice stands where a
device asks: in the account's notices, on the owner's page, and in the operator's list.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.storage.law_models import Erasure
from server.cloud.storage.models import Account
from server.core.cloud_policy import Policy

HOUR, DAY, WEEK = 60 * 60, 24 * 60 * 60, 7 * 24 * 60 * 60
ASKED: Final = "asked"
WITHDRAWN: Final = "withdrawn"
INACTIVE: Final = "inactive"
ANNOUNCED: Final = "announced"
"""The step of an erasure that has not begun."""
SLICE = 500
"""Accounts that one transaction announces."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """An erasure that begins at `begins_at` and is over by `due_at`, for `reason`.

    `version` is the policy's whose numbers hold.
    """

    id: str
    account: str
    reason: str
    asked_at: int
    begins_at: int
    due_at: int
    version: int


async def announce(db: AsyncSession, announcement: Announcement) -> None:
    """Announce an erasure in place of one that is announced for the same account."""
    await cancel(db, announcement.account)
    await db.execute(
        insert(Erasure).values(
            id=announcement.id,
            account=announcement.account,
            reason=announcement.reason,
            asked_at=announcement.asked_at,
            begins_at=announcement.begins_at,
            due_at=announcement.due_at,
            version=announcement.version,
            step=ANNOUNCED,
        )
    )


async def cancel(db: AsyncSession, account: str, reason: str | None = None) -> None:
    """End an erasure that is announced, of any reason or of one; what has begun goes on."""
    query = delete(Erasure).where(Erasure.account == account, Erasure.step == ANNOUNCED)
    await db.execute(query if reason is None else query.where(Erasure.reason == reason))


async def find_announced(db: AsyncSession, account: str) -> Erasure | None:
    """Return the erasure that is announced for an account, if any."""
    query = select(Erasure).where(Erasure.account == account, Erasure.step == ANNOUNCED)
    found: Erasure | None = await db.scalar(query)
    return found


async def note_use(db: AsyncSession, account: str, now: int) -> None:
    """Note that an account is used in this week, which ends an erasure for being unused."""
    await db.execute(update(Account).where(Account.id == account).values(used_week=now // WEEK))
    await cancel(db, account, INACTIVE)


async def find_inactive(db: AsyncSession, policy: Policy, now: int) -> list[str]:
    """Return accounts of which nothing is announced, and that were not used for so many days.

    They are locked, so that no use of one is noted between the look and its announcement.
    """
    last = (now - policy.days.inactive * DAY) // WEEK - 1
    query = (
        select(Account.id)
        .outerjoin(Erasure, Erasure.account == Account.id)
        .where(Account.used_week <= last, Account.is_closed.is_(False), Erasure.id.is_(None))
        .order_by(Account.id)
        .limit(SLICE)
        .with_for_update(of=Account)
    )
    return list(await db.scalars(query))


def announce_inactive(account: str, erasure: str, policy: Policy, now: int) -> Announcement:
    """Return the announcement of an erasure for being unused."""
    begins = now + policy.days.notice * DAY
    due = begins + policy.hours.erase * HOUR
    return Announcement(erasure, account, INACTIVE, now, begins, due, policy.version)


def announce_asked(account: str, erasure: str, policy: Policy, now: int) -> Announcement:
    """Return the erasure that an owner asks for, which begins now."""
    due = now + policy.hours.erase * HOUR
    return Announcement(erasure, account, ASKED, now, now, due, policy.version)
