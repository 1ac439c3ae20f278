"""What an owner has to know: on the owner's page, and where a device asks."""

from enum import StrEnum

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.law.breaches import is_told_to, list_breaches
from server.cloud.law.policies import Policies
from server.cloud.law.schedule import INACTIVE, WITHDRAWN, find_announced
from server.cloud.storage.models import Account


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
