"""Consents: give and withdraw consent to a policy version, and require it for uploads.

A device signs a consent statement, canonical JSON, with its own key. On the owner's page a consent
has no signed statement. In both cases the owner gets a receipt that the region signs.
"""

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.accounts.owners import lock_owner
from server.cloud.errors import CloudError
from server.cloud.law.notices import WITHDRAWN, Announcement, announce, cancel
from server.cloud.law.policies import Policies, Signed
from server.cloud.law.receipts import Event, make_consent_receipt
from server.cloud.secrets import Secrets
from server.cloud.storage.law_models import Consent
from server.cloud.storage.models import Account
from server.core.encodings import decode_canonical_json
from server.core.errors import FormatError

MAX_STATEMENT = 4096
HOUR = 60 * 60
_Text = Annotated[str, msgspec.Meta(max_length=64)]


class Statement(msgspec.Struct, forbid_unknown_fields=True):
    """The statement that a device signs to give consent.

    `policy` and `text` are the sha256 of the policy and of the text that the owner agreed to.
    `at_least` is an age in years that the owner has reached. `guardian` states that a guardian
    agrees, too.
    """

    type: Literal["consent"]
    schema: Literal[1]
    region: _Text
    version: int
    policy: _Text
    locale: _Text
    text: _Text
    at_least: Annotated[int, msgspec.Meta(ge=0, le=150)]
    guardian: bool


def check_agreed(signed: Signed | None, version: int) -> None:
    """Raise CloudError unless consent to `version` covers the policy in force, `signed`."""
    if signed is None:
        raise CloudError(
            403, "consent_required", "no policy is in force yet, so uploads are refused; try later."
        )
    if version < signed.policy.version:
        raise CloudError(
            403,
            "consent_required",
            f"agree to version {signed.policy.version} of the policy of {signed.policy.region}"
            " first, on your phone or on your page of this server; downloads still work.",
        )


async def find_offered(policies: Policies, version: int, now: int) -> Signed:
    """Return a policy version that is in force or announced; raises CloudError for others."""
    holds = await policies.current(now)
    if holds is not None and version < holds.policy.version:
        raise CloudError(
            409, "other_policy", "this version is no longer in force; fetch the policy again."
        )
    return await policies.find(version, now)


def read_statement(statement: bytes, public_key: str, signature: str) -> Statement:
    """Verify a statement's signature and decode it; raises CloudError if either fails.

    `public_key` and `signature` are in base64.
    """
    try:
        key = VerifyKey(base64.b64decode(public_key, validate=True))
        key.verify(statement, base64.b64decode(signature, validate=True))
    except (BadSignatureError, ValueError, TypeError) as error:
        raise CloudError(
            422, "bad_signature", "the statement is not signed by the given key."
        ) from error
    try:
        return msgspec.convert(decode_canonical_json(statement, limit=MAX_STATEMENT), Statement)
    except (FormatError, msgspec.ValidationError) as error:
        raise CloudError(
            422, "bad_statement", "the statement does not have the form of FORMATS.md section 17."
        ) from error


def check_statement(statement: Statement, signed: Signed) -> None:
    """Raise CloudError unless a statement is about this version and the owner is old enough."""
    policy = signed.policy
    if (statement.region, statement.policy) != (
        policy.region,
        signed.sha256,
    ) or statement.text != policy.text.get(statement.locale):
        raise CloudError(
            409, "other_policy", "the statement is about another policy or text; fetch it again."
        )
    if statement.at_least < policy.minimum_age:
        raise CloudError(
            422, "too_young", f"owners must be {policy.minimum_age} or older in this region."
        )
    if statement.at_least < policy.guardian_below and not statement.guardian:
        raise CloudError(
            422, "guardian_required", f"below {policy.guardian_below} a guardian must agree, too."
        )


async def give(db: AsyncSession, secrets: Secrets, event: Event, signed: Signed) -> bytes:
    """Store a checked consent and return its receipt.

    Cancels the erasure that an earlier withdrawal announced. Raises CloudError if the account is
    being erased.
    """
    await lock_owner(db, event.account)
    receipt = await _keep(db, secrets, event, signed)
    await _set_version(db, event.account, signed.policy.version)
    await cancel(db, event.account, WITHDRAWN)
    return receipt


async def withdraw(
    db: AsyncSession, secrets: Secrets, event: Event, signed: Signed, erasure: str
) -> tuple[bytes, Announcement]:
    """Store a withdrawal: uploads end now, and the account is erased within the policy's hours.

    Returns the receipt and the announced erasure, which gets the id `erasure`. Raises CloudError if
    the account is being erased or has not agreed to this version.
    """
    await lock_owner(db, event.account)
    version = await db.scalar(select(Account.consent_version).where(Account.id == event.account))
    if version != signed.policy.version:
        raise CloudError(409, "no_consent", "the consent has changed meanwhile; try again.")
    due = event.at + signed.policy.hours.stop_after_withdrawal * HOUR
    # Begin an hour before the deadline, so that a failure can still be fixed in time.
    announcement = Announcement(
        erasure,
        event.account,
        WITHDRAWN,
        asked_at=event.at,
        begins_at=max(event.at, due - HOUR),
        due_at=due,
        version=signed.policy.version,
    )
    await announce(db, announcement)
    receipt = await _keep(db, secrets, replace(event, ends_at=due), signed)
    await _set_version(db, event.account, 0)
    return receipt, announcement


async def list_consents(db: AsyncSession, account: str) -> Sequence[Consent]:
    """Return the consents and withdrawals of an account, oldest first."""
    query = select(Consent).where(Consent.account == account).order_by(Consent.at, Consent.id)
    return (await db.scalars(query)).all()


async def _keep(db: AsyncSession, secrets: Secrets, event: Event, signed: Signed) -> bytes:
    receipt = make_consent_receipt(secrets, event, signed)
    await db.execute(
        insert(Consent).values(
            id=event.id,
            account=event.account,
            version=signed.policy.version,
            at=event.at,
            is_given=event.is_given,
            statement=event.statement,
            receipt=receipt,
        )
    )
    return receipt


async def _set_version(db: AsyncSession, account: str, version: int) -> None:
    await db.execute(update(Account).where(Account.id == account).values(consent_version=version))
