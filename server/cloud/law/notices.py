"""Notices to owners: breaches, new policies, and announced erasures.

Until an announced erasure begins, the owner can export the account or cancel the erasure. The
erasure of an account is announced after the policy's days without use, and begins after its days
of notice; any use of the account cancels it. The cloud knows no email addresses. So it shows
notices to devices that ask, on the owner's page, and in the operator's list.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
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
"""The step of an announced erasure that has not begun."""
SLICE = 500
"""Maximum number of accounts announced in one transaction."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """An erasure that begins at `begins_at` and must be done by `due_at`, in epoch seconds.

    `version` is that of the policy whose periods apply.
    """

    id: str
    account: str
    reason: str
    asked_at: int
    begins_at: int
    due_at: int
    version: int


async def announce(db: AsyncSession, announcement: Announcement) -> None:
    """Announce an erasure, replacing one already announced for the same account."""
    await cancel(db, announcement.account)
    await db.execute(insert(Erasure).values(**asdict(announcement), step=ANNOUNCED))


async def cancel(db: AsyncSession, account: str, reason: str | None = None) -> None:
    """Cancel an account's announced erasure, of any reason or only of `reason`.

    An erasure that has begun is not affected.
    """
    query = delete(Erasure).where(Erasure.account == account, Erasure.step == ANNOUNCED)
    await db.execute(query if reason is None else query.where(Erasure.reason == reason))


async def find_announced(db: AsyncSession, account: str) -> Erasure | None:
    """Return the announced erasure of an account, if any."""
    query = select(Erasure).where(Erasure.account == account, Erasure.step == ANNOUNCED)
    found: Erasure | None = await db.scalar(query)
    return found


async def note_use(db: AsyncSession, account: str, now: int) -> None:
    """Record that an account is used in this week; cancels its erasure for inactivity."""
    await db.execute(update(Account).where(Account.id == account).values(used_week=now // WEEK))
    await cancel(db, account, INACTIVE)


async def find_inactive(db: AsyncSession, policy: Policy, now: int) -> list[str]:
    """Return accounts unused for the policy's days that have no announced erasure.

    Locks their rows, so that no use can be recorded before their erasure is announced.
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
    """Return the announcement of an erasure for inactivity."""
    begins = now + policy.days.notice * DAY
    due = begins + policy.hours.erase * HOUR
    return Announcement(erasure, account, INACTIVE, now, begins, due, policy.version)


def announce_asked(account: str, erasure: str, policy: Policy, now: int) -> Announcement:
    """Return the announcement of an erasure that the owner requested, which begins now."""
    due = now + policy.hours.erase * HOUR
    return Announcement(erasure, account, ASKED, now, now, due, policy.version)


async def note_breach(db: AsyncSession, found_at: int, text: str) -> int:
    """Record a breach, without notifying owners yet; returns its number."""
    new = insert(Breach).values(found_at=found_at, text=text).returning(Breach.id)
    return int(await db.scalar(new) or 0)


async def tell_breach(db: AsyncSession, number: int, text: str, now: int) -> None:
    """Notify owners of a breach from now on, with `text` if it is not empty.

    Raises FormatError if there is no such breach or owners were notified of it already.
    """
    query = update(Breach).where(Breach.id == number, Breach.told_at.is_(None))
    statement = query.values(told_at=now, **({"text": text} if text else {})).returning(Breach.id)
    if (await db.scalar(statement)) is None:
        raise FormatError(f"there is no breach {number} of which owners have to be notified.")


async def list_breaches(db: AsyncSession, *, is_announced: bool) -> Sequence[Breach]:
    """Return the breaches of which owners are, or are not yet, notified; oldest first."""
    query = select(Breach).where(
        Breach.told_at.is_not(None) if is_announced else Breach.told_at.is_(None)
    )
    return (await db.scalars(query.order_by(Breach.found_at, Breach.id))).all()


def find_deadline(breach: Breach, policy: Policy) -> int:
    """Return the time by which owners have to be notified of a breach."""
    return breach.found_at + policy.hours.breach_notice * HOUR


def is_affected(breach: Breach, created_at: int) -> bool:
    """Return whether a breach concerns an account: it existed when the breach was found."""
    return created_at <= breach.found_at


class Kind(StrEnum):
    """The subject of a notice."""

    BREACH = "breach"
    INACTIVE = "inactive"
    POLICY = "policy"
    WITHDRAWN = "withdrawn"


_WHY = {
    WITHDRAWN: "You have withdrawn your consent. Export your data now, or agree again to keep the"
    " account.",
    INACTIVE: "This account has not been used for a long time. Using it keeps it.",
}


class Notice(msgspec.Struct, omit_defaults=True):
    """A notice that applies since `at`, in epoch seconds.

    `erasure` is the id of an announced erasure and `begins_at` its beginning; `version` is a
    policy's version.
    """

    kind: Kind
    at: int
    text: str
    erasure: str | None = None
    begins_at: int | None = None
    version: int | None = None


async def list_notices(
    db: AsyncSession, policies: Policies, account: str, now: int
) -> list[Notice]:
    """Return the notices of an account, those about policies first."""
    query = select(Account.consent_version, Account.created_at).where(Account.id == account)
    row = (await db.execute(query)).one()
    found = [
        Notice(
            Kind.POLICY,
            policy.starts,
            f"Version {policy.version} of the policy"
            f" {'is in force' if policy.starts <= now else 'is announced'};"
            " uploads under it are refused until you agree to it.",
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
        for breach in await list_breaches(db, is_announced=True)
        if is_affected(breach, row.created_at)
    ]
    return found
