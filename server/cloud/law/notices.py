"""What an owner has to know: breaches, policies, and erasures that are announced.

Until an announced erasure begins, the owner can export, or stop it. An account that was not used
for the policy's days is announced, and erased after the days of its notice. Any use of it ends
that. There is no address to write to, so a notice stands where a device asks, on the owner's page,
and in the operator's list.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.law.policies import Policies
from server.cloud.storage.law_models import Breach, Erasure
from server.cloud.storage.models import Account
from server.core.cloud_policy import Policy
from server.core.errors import FormatError

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


class Kind(StrEnum):
    """What a notice is about."""

    BREACH = "breach"
    INACTIVE = "inactive"
    POLICY = "policy"
    WITHDRAWN = "withdrawn"


_WHY = {
    WITHDRAWN: "You have withdrawn your consent. Take your data with you now; agreeing again keeps"
    " them.",
    INACTIVE: "This account was not used for long. Any use of it keeps it.",
}


class Notice(msgspec.Struct, omit_defaults=True):
    """One notice, since `at`. An erasure begins at `begins_at`; `version` is a policy's."""

    kind: Kind
    at: int
    text: str
    erasure: str | None = None
    begins_at: int | None = None
    version: int | None = None


async def list_notices(
    db: AsyncSession, policies: Policies, account: str, now: int
) -> list[Notice]:
    """Return the notices of an account, those of policies first."""
    query = select(Account.consent_version, Account.created_at).where(Account.id == account)
    row = (await db.execute(query)).one()
    found = [
        Notice(
            Kind.POLICY,
            policy.starts,
            f"Version {policy.version} of the policy {'holds' if policy.starts <= now else 'comes'}"
            "; nothing is stored under it until you agree to it.",
            version=policy.version,
        )
        for policy in (each.policy for each in await policies.load(now, db))
        if policy.version > row.consent_version
    ]
    announced = await find_announced(db, account)
    if announced is not None and announced.reason in _WHY:
        found.append(
            Notice(
                Kind(announced.reason),
                announced.asked_at,
                _WHY[announced.reason],
                erasure=announced.id,
                begins_at=announced.begins_at,
            )
        )
    found += [
        Notice(Kind.BREACH, breach.told_at or now, breach.text)
        for breach in await list_breaches(db, are_told=True)
        if is_told_to(breach, row.created_at)
    ]
    return found
