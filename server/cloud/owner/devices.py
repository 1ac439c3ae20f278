"""`/account/1/`: the devices of an account, their keys, and approval of new ones.

With `approves_devices` on, a new session is pending: it can only register its key and log out,
until an approved device signs, with its own key,

    "hening cloud approval 1" LF REGION LF SESSION LF ∥ the key of the pending device, 32 bytes

Source: docs/FORMATS.md section 17.
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.accounts.sessions import (
    end_session_of,
    find_session,
    hash_token,
    list_sessions,
)
from server.cloud.errors import CloudError, not_found
from server.cloud.routing import Call, json_route
from server.cloud.storage import models

PREFIX = "/account/1"
ID = "{id:[A-Za-z0-9_-]{22}}"
Key = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Label = Annotated[bytes, msgspec.Meta(min_length=1, max_length=512)]
Signature = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]


class State(StrEnum):
    """The state of a session; a pending one is refused nearly everything."""

    APPROVED = "approved"
    PENDING = "pending"


class Session(msgspec.Struct):
    """A logged-in device; `is_this` marks the caller's own. Times are epoch seconds.

    `key` is the device's Ed25519 key. `label` is its name, encrypted with the account's key.
    """

    id: str
    created_at: int
    expires_at: int
    is_this: bool
    state: State
    key: bytes | None
    label: bytes | None


class Device(msgspec.Struct, forbid_unknown_fields=True):
    """The calling device's key and label."""

    key: Key
    label: Label | None = None


class Registered(msgspec.Struct):
    """The calling device's session id and its state."""

    id: str
    state: State


class Approval(msgspec.Struct, forbid_unknown_fields=True):
    """The approving device's signature."""

    signature: Signature


class Choices(msgspec.Struct, forbid_unknown_fields=True):
    """The owner's settings for the account."""

    approves_devices: bool


async def approve_session(
    db: AsyncSession, approving: models.Session, region: str, session: str, signature: bytes
) -> None:
    """Approve a pending session by its id; raises CloudError unless the signature is valid."""
    if approving.key is None:
        raise CloudError(409, "device_without_key", "this device has no key; register one first.")
    query = select(models.Session.key, models.Session.is_pending).where(
        models.Session.id == session, models.Session.account == approving.account
    )
    row = (await db.execute(query)).one_or_none()
    if row is None:
        raise not_found("session")
    if row.key is None:
        raise CloudError(409, "device_without_key", "the new device has not registered a key yet.")
    try:
        VerifyKey(approving.key).verify(approval_text(region, session, row.key), signature)
    except (BadSignatureError, ValueError, TypeError) as error:
        raise CloudError(
            403, "bad_signature", "the approval is not signed by this device for that session."
        ) from error
    await db.execute(
        update(models.Session).where(models.Session.id == session).values(is_pending=False)
    )


def approval_text(region: str, session: str, key: bytes) -> bytes:
    """Return the text to sign to approve the session of the device with the key `key`."""
    return f"hening cloud approval 1\n{region}\n{session}\n".encode() + key


async def show_sessions(call: Call) -> list[Session]:
    """List the logged-in devices, newest first."""
    async with call.services.database() as db:
        rows = await list_sessions(db, call.account, call.services.now())
    return [
        Session(
            row.id,
            row.created_at,
            row.expires_at,
            row.token_sha256 == hash_token(call.token),
            _state(is_pending=row.is_pending),
            row.key,
            row.label,
        )
        for row in rows
    ]


async def end(call: Call) -> None:
    """Log out a device."""
    async with call.services.database.begin() as db:
        await end_session_of(db, call.account, call.path["id"])


async def register(call: Call) -> Registered:
    """Store the key of the calling device, which may still wait for approval."""
    async with call.services.database.begin() as db:
        session = await find_session(db, call.token)
        if session.key is not None and session.key != call.body.key:
            raise CloudError(409, "device_has_key", "this device has another key; log in again.")
        session.key, session.label = call.body.key, call.body.label
    return Registered(session.id, _state(is_pending=session.is_pending))


async def approve(call: Call) -> None:
    """Approve a pending device."""
    region, session = call.services.settings.region, call.path["id"]
    async with call.services.database.begin() as db:
        approving = await find_session(db, call.token)
        await approve_session(db, approving, region, session, call.body.signature)


async def show_choices(call: Call) -> Choices:
    """Return the owner's settings for the account."""
    query = select(models.Account.approves_devices).where(models.Account.id == call.account)
    async with call.services.database() as db:
        return Choices(bool(await db.scalar(query)))


async def choose(call: Call) -> None:
    """Store the owner's settings for the account."""
    is_on = call.body.approves_devices
    has_words = select(models.Recovery.account).where(models.Recovery.account == call.account)
    statement = update(models.Account).where(models.Account.id == call.account)
    async with call.services.database.begin() as db:
        session = await find_session(db, call.token)
        if is_on and session.key is None:
            raise CloudError(
                409, "device_without_key", "this device has no key; register one first."
            )
        if is_on and await db.scalar(has_words) is None:
            raise CloudError(
                409, "no_recovery", "set up recovery words first, in case all devices are lost."
            )
        await db.execute(statement.values(approves_devices=is_on))


def _state(*, is_pending: bool) -> State:
    return State.PENDING if is_pending else State.APPROVED


ROUTES = (
    json_route("GET", f"{PREFIX}/sessions", show_sessions),
    json_route("DELETE", f"{PREFIX}/sessions/{ID}", end, status=204),
    json_route("POST", f"{PREFIX}/sessions/{ID}/approval", approve, Approval, status=204),
    json_route("PUT", f"{PREFIX}/device", register, Device, for_pending=True),
    json_route("GET", f"{PREFIX}/choices", show_choices),
    json_route("PUT", f"{PREFIX}/choices", choose, Choices, status=204),
)
