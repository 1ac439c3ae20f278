"""Logins, device sessions, and tokens.

To log in, a device asks for a challenge: `time ∥ name hash`, encrypted so that only the server can
read it. The device signs

    msgpack {username, challenge, host, action}

with the Ed25519 key that Argon2id derives from password and salt. For an unknown name the server
returns a salt and a challenge of the same form, and finally the same refusal. The account door
requires the same signature, in JSON, to replace keys, so a stolen token alone cannot replace them.

Only the sha256 of a token is stored. A session ends after a period without use. A program's token
is valid for one door, and may be read-only.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, cast

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from sqlalchemy import Table, bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.accounts.owners import hold_pepper, lock_owner, refuse_suspended
from server.cloud.errors import CloudError, not_found
from server.cloud.secrets import Secrets
from server.cloud.settings import DAY
from server.cloud.storage.models import Account, Session
from server.core.errors import TrustError

CHALLENGE_SECONDS = 300
_DUMMY_KEY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
"""A valid public key that makes verification for an unknown name take as long as for an existing
one (RFC 8032, section 7.1, test 1)."""

Action = Literal["login", "changePassword", "setRecovery", "openRecovery", "useRecovery", "rotate"]


class Response(msgspec.Struct):
    """The response that a client signs."""

    username: str
    challenge: bytes
    host: str
    action: str


class PasswordResponse(Response):
    """The response that a client signs with its old key to change the password."""

    loginPubkey: bytes  # noqa: N815 - the protocol's name
    encryptedContent: bytes  # noqa: N815


@dataclass(frozen=True, slots=True)
class Claim:
    """A received response: its signed bytes, their signature, and the decoded value."""

    signed: bytes
    signature: bytes
    response: Response


def make_challenge(secrets: Secrets, name: str, now: int) -> bytes:
    """Return a challenge for `name`, whether or not it has an account."""
    return secrets.seal_challenge(now.to_bytes(8, "big") + secrets.name_hash(name))


def verify_claim(
    secrets: Secrets, claim: Claim, action: Action, host: str, login_key: bytes | None, now: int
) -> None:
    """Verify that a response was signed by `login_key` for this challenge, host and action.

    `login_key` is None for an unknown name. Raises the same CloudError for every mismatch.
    """
    response = claim.response
    try:
        VerifyKey(login_key or _DUMMY_KEY).verify(claim.signed, claim.signature)
        is_signed = login_key is not None
    except (BadSignatureError, ValueError, TypeError):
        is_signed = False
    try:
        opened = secrets.open_challenge(response.challenge)
        age = now - int.from_bytes(opened[:8], "big")
        is_fresh = opened[8:] == secrets.name_hash(response.username)
        is_fresh = is_fresh and 0 <= age <= CHALLENGE_SECONDS
    except TrustError:
        is_fresh = False
    is_here = _without_port(response.host) == _without_port(host)
    if not (is_signed and is_fresh and is_here and response.action == action):
        raise refuse_login()


def refuse_login() -> CloudError:
    """Return the refusal of a login, which is the same for all causes."""
    return CloudError(
        401, "login_bad_signature", "the name, the recovery words or the password is wrong."
    )


def _without_port(host: str) -> str:
    return host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host


# Every request runs this statement. Prebuilt on tables, it takes a third of the ORM's time.
_SESSIONS, _ACCOUNTS = (cast("Table", model.__table__) for model in (Session, Account))
_FIND = (
    select(
        _SESSIONS.c.account,
        _SESSIONS.c.id,
        _SESSIONS.c.expires_at,
        _SESSIONS.c.is_pending,
        _ACCOUNTS.c.suspended,
        _ACCOUNTS.c.consent_version,
    )
    .join(_ACCOUNTS, _ACCOUNTS.c.id == _SESSIONS.c.account)
    .where(
        _SESSIONS.c.token_sha256 == bindparam("token"), _SESSIONS.c.expires_at > bindparam("now")
    )
)


@dataclass(frozen=True, slots=True)
class Caller:
    """A device with a valid token: its session, and the state of its account.

    `consent_version` is the version of the policy that the owner agreed to, 0 for none.
    """

    account: str
    session: str
    expires_at: int
    is_pending: bool
    is_suspended: bool
    consent_version: int

    def check_served(self, *, is_pending_served: bool, is_suspended_served: bool) -> None:
        """Raise CloudError for a suspended account or pending device that is not served."""
        if self.is_suspended and not is_suspended_served:
            raise refuse_suspended()
        if self.is_pending and not is_pending_served:
            raise CloudError(
                403, "device_not_approved", "approve this device on one that is already logged in."
            )

    def is_use_due(self, now: int, seconds: int) -> bool:
        """Return whether to extend the session; at most once a day, to save database writes."""
        return self.expires_at < now + seconds - DAY


async def find_caller(db: AsyncSession, token: str, now: int) -> Caller:
    """Return the caller that a session token belongs to; raises CloudError if it is invalid."""
    connection = await db.connection()
    row = (await connection.execute(_FIND, {"token": hash_token(token), "now": now})).one_or_none()
    if row is None:
        raise CloudError(401, "invalid_token", "this device is not logged in; log in again.")
    return Caller(*row)


async def prolong_session(db: AsyncSession, caller: Caller, end: int) -> None:
    """Extend a session until `end`."""
    await db.execute(update(Session).where(Session.id == caller.session).values(expires_at=end))


async def end_session(db: AsyncSession, token: str) -> None:
    """Log out the device that has `token`."""
    await db.execute(delete(Session).where(Session.token_sha256 == hash_token(token)))


async def list_sessions(db: AsyncSession, account: str, now: int) -> Sequence[Session]:
    """Return the active sessions of an account, newest first."""
    query = select(Session).where(Session.account == account, Session.expires_at > now)
    return (await db.scalars(query.order_by(Session.created_at.desc(), Session.id))).all()


async def find_session(db: AsyncSession, token: str) -> Session:
    """Return a token's session and lock it; raises CloudError if it has ended meanwhile."""
    query = select(Session).where(Session.token_sha256 == hash_token(token)).with_for_update()
    found = await db.scalar(query)
    if found is None:
        raise CloudError(401, "invalid_token", "this device is not logged in; log in again.")
    return found


async def lock_keys(db: AsyncSession, secrets: Secrets, account: str, token: str) -> None:
    """Lock an account's keys until the transaction ends; raises CloudError if logged out.

    Replacing the keys logs out all other devices. A request that another device had sent before
    is refused here: its keys were made from the former ones and would lock the owner out.
    """
    await hold_pepper(db, secrets)
    await lock_owner(db, account)
    await find_session(db, token)


async def end_session_of(db: AsyncSession, account: str, session: str) -> None:
    """Log out the session with this id; raises CloudError if the account does not have it."""
    query = delete(Session).where(Session.account == account, Session.id == session)
    if not (await db.execute(query.returning(Session.id))).all():
        raise not_found("session")


async def end_all(db: AsyncSession, account: str) -> None:
    """Log out all devices of an account."""
    await db.execute(delete(Session).where(Session.account == account))


async def end_others(db: AsyncSession, account: str, token: str) -> None:
    """Log out all devices of an account except the one with `token`."""
    await db.execute(
        delete(Session).where(Session.account == account, Session.token_sha256 != hash_token(token))
    )


class Door(StrEnum):
    """The doors that a program's token can be valid for."""

    BLOBS = "blobs"


def hash_token(token: str) -> bytes:
    """Return the sha256 of a token, under which it is stored."""
    return hashlib.sha256(token.encode()).digest()
