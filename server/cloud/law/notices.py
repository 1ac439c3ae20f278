"""What an owner has to know, breaches among it: on the owner's page, and where a device asks."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.law.policies import Policies
from server.cloud.law.schedule import INACTIVE, WITHDRAWN, find_announced
from server.cloud.storage.law_models import Breach
from server.cloud.storage.models import Account
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
