"""Devices: the key of one, and the signature by which another one approves its session.

With `approves_devices` on, a new session is pending: it is refused everything until a device that
is logged in signs, with its own key,

    "hening cloud approval 1" LF REGION LF SESSION LF ∥ the key of the pending device, 32 bytes

Source: docs/FORMATS.md section 17.
"""

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.errors import CloudError, not_found
from server.cloud.storage.models import Account, Recovery, Session


async def register_device(
    db: AsyncSession, session: Session, key: bytes, label: bytes | None
) -> None:
    """Store the key of a session's device, once, and its label; raises CloudError."""
    if session.key is not None and session.key != key:
        raise CloudError(409, "device_has_key", "this device has another key; log in again.")
    await db.execute(update(Session).where(Session.id == session.id).values(key=key, label=label))


async def approve_session(
    db: AsyncSession, approving: Session, region: str, session: str, signature: bytes
) -> None:
    """Approve the pending session of an id; raises CloudError unless the signature holds."""
    if approving.key is None:
        raise CloudError(409, "device_without_key", "this device has no key; register one first.")
    query = select(Session.key, Session.is_pending).where(
        Session.id == session, Session.account == approving.account
    )
    row = (await db.execute(query)).one_or_none()
    if row is None:
        raise not_found("session")
    if row.key is None:
        raise CloudError(409, "device_without_key", "the new device has not shown its key yet.")
    try:
        VerifyKey(approving.key).verify(approval_text(region, session, row.key), signature)
    except (BadSignatureError, ValueError, TypeError) as error:
        raise CloudError(
            403, "bad_signature", "the approval is not signed by this device for that one."
        ) from error
    await db.execute(update(Session).where(Session.id == session).values(is_pending=False))


def approval_text(region: str, session: str, key: bytes) -> bytes:
    """Return what a device signs to approve the session of another one, whose key is `key`."""
    return f"hening cloud approval 1\n{region}\n{session}\n".encode() + key


async def set_approval(db: AsyncSession, session: Session, *, is_on: bool) -> None:
    """Let new sessions wait for an approval, or not; raises CloudError.

    It is turned on where a device can approve, and words open the account if all devices are lost.
    """
    if is_on and session.key is None:
        raise CloudError(409, "device_without_key", "this device has no key; register one first.")
    has_words = select(Recovery.account).where(Recovery.account == session.account)
    if is_on and await db.scalar(has_words) is None:
        raise CloudError(
            409, "no_recovery", "set up recovery words first: without a device they alone get in."
        )
    wanted = update(Account).where(Account.id == session.account)
    await db.execute(wanted.values(approves_devices=is_on))


async def is_approval_on(db: AsyncSession, account: str) -> bool:
    """Answer whether new sessions of an account wait for an approval."""
    query = select(Account.approves_devices).where(Account.id == account)
    return bool(await db.scalar(query))
