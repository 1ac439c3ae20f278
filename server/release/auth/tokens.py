"""API tokens: created once, shown once, stored only as a hash.

Source: docs/FORMATS.md section 12. A token is `hening_ID_SECRETCHECK`: the public id, 256 random
bits, and a checksum by which a secret scanner distinguishes a leaked token from random text.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.errors import FormatError
from server.core.release_texts import check_plain
from server.release.auth.accounts import account_codenames, check_holds, list_accounts, load_account
from server.release.auth.audit_log import lock_audit_log, record
from server.release.auth.principal import (
    EVERY_CODENAME,
    MAX_TOKEN_DAYS,
    ROLE_PERMISSIONS,
    TOKEN,
    Permission,
    Principal,
    Role,
    is_token,
    token_checksum,
)
from server.release.errors import AuthenticationError, ConflictError, NotFoundError
from server.storage.models import Account, Token

LABEL_LIMIT = 80
# Built once: every request of the control plane runs it.
_BY_ID = (
    select(Token, Account)
    .join(Account, Account.name == Token.account)
    .where(Token.id == bindparam("identity"))
)
_ID_BYTES = 6
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token's row and its text. The text is not stored, so it can be shown only now."""

    row: Token
    text: str = field(repr=False)


def token_permissions(token: Token) -> frozenset[Permission]:
    """Return the permissions of a token's row; unknown ones are dropped."""
    named = decode_canonical_json(token.permissions.encode(), limit=1024)
    return frozenset(permission for permission in Permission if permission in named)


def fingerprint(token: Token) -> str:
    """Return the audit log's fingerprint of a token's secret: a hash of its stored hash."""
    return hashlib.sha256(token.secret_sha256.encode()).hexdigest()


def token_state(token: Token, at: int) -> Literal["valid", "expired", "revoked"]:
    """Return the state of a token's row at `at` (epoch seconds)."""
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at <= at else "valid"


async def create_token(
    session: AsyncSession,
    principal: Principal,
    entropy: Callable[[int], bytes],
    *,
    account: str,
    label: str,
    permissions: Iterable[Permission] | None = None,
    expires_at: int,
    at: int,
) -> IssuedToken:
    """Create a token of `account` with `permissions`, or with all of its role.

    The new token expires no later than the token that creates it, so that a short-lived token
    cannot be extended. Raises FormatError for a label that is empty or not plain text, for an
    expiry that is not within 366 days, and for permissions that the role does not have;
    ConflictError for a disabled account.
    """
    try:
        check_plain(label, LABEL_LIMIT)
    except FormatError as error:
        raise FormatError(f"the token's label is not plain text: {error}.") from error
    if not at < expires_at <= at + MAX_TOKEN_DAYS * 86_400:
        raise FormatError(f"a token expires after now and within {MAX_TOKEN_DAYS} days.")
    if principal.expires_at is not None:
        expires_at = min(expires_at, principal.expires_at)
    principal.check(Permission.PEOPLE)
    await lock_audit_log(session)
    owner = await load_account(session, account)
    allowed = ROLE_PERMISSIONS[Role(owner.role)]
    requested = allowed if permissions is None else frozenset(permissions)
    if not requested:
        raise FormatError("a token needs at least one permission: name one.")
    if lacking := requested - allowed:
        raise FormatError(
            f"the role {owner.role} of {account} does not have {min(lacking)}: leave it out."
        )
    check_holds(principal, requested, account_codenames(owner))
    if owner.disabled_at is not None:
        raise ConflictError(f"{account} is disabled: enable the account first.")
    identity, secret = entropy(_ID_BYTES).hex(), entropy(_SECRET_BYTES).hex()
    text = f"hening_{identity}_{secret}"
    row = Token(
        id=identity,
        account=account,
        secret_sha256=hashlib.sha256(secret.encode()).hexdigest(),
        label=label,
        permissions=encode_canonical_json(sorted(requested)).decode(),
        created_at=at,
        expires_at=expires_at,
        revoked_at=None,
    )
    session.add(row)
    await session.flush()
    await record(
        session,
        at=at,
        actor=principal.actor,
        action="token.create",
        subject=account,
        detail={
            "token": identity,
            "label": label,
            "permissions": sorted(requested),
            "expires_at": expires_at,
            "fingerprint": fingerprint(row),
        },
    )
    return IssuedToken(row, text + token_checksum(text))


async def list_tokens(session: AsyncSession, account: str | None = None) -> Sequence[Token]:
    """Return the tokens of an account or of all accounts, sorted by account and creation time."""
    query = select(Token).order_by(Token.account, Token.created_at, Token.id)
    if account is not None:
        query = query.where(Token.account == account)
    return (await session.scalars(query)).all()


async def page_tokens(
    session: AsyncSession, account: str | None, *, of: Principal, after: str, limit: int
) -> Sequence[Token]:
    """Return up to `limit` tokens after the id `after`, by id: of an account, or of all accounts.

    Only tokens of accounts whose codenames the principal `of` covers.
    """
    query = select(Token).where(Token.id > after).order_by(Token.id).limit(limit)
    if account is not None:
        query = query.where(Token.account == account)
    if EVERY_CODENAME not in of.codenames:
        covered = [row.name for row in await list_accounts(session, of=of)]
        query = query.where(Token.account.in_(covered))
    return (await session.scalars(query)).all()


async def revoke_token(
    session: AsyncSession, principal: Principal, *, identity: str, at: int
) -> Token:
    """Revoke a token immediately. Idempotent.

    A caller that manages accounts may revoke tokens with no more rights than its own. Every caller
    may revoke the token that it uses.
    """
    if identity != principal.token:
        principal.check(Permission.PEOPLE)
    await lock_audit_log(session)
    token = await session.get(Token, identity, populate_existing=True)
    if token is None:
        raise NotFoundError(f"there is no token {identity[:32]}: look at the list of tokens.")
    if identity != principal.token:
        owner = await load_account(session, token.account)
        granted = ROLE_PERMISSIONS[Role(owner.role)] & token_permissions(token)
        check_holds(principal, granted, account_codenames(owner))
    if token.revoked_at is None:
        token.revoked_at = at
        await record(
            session,
            at=at,
            actor=principal.actor,
            action="token.revoke",
            subject=token.account,
            detail={"token": identity, "label": token.label},
        )
    return token


async def authenticate(session: AsyncSession, text: str, now: datetime) -> Principal:
    """Return the principal of the token `text`, with its present rights.

    Raises AuthenticationError for a text that is not a token, for a token that is unknown, wrong,
    expired or revoked, and for a disabled account. The message is the same for every reason.
    """
    match = TOKEN.fullmatch(text)
    identity, secret = (match[2], match[3]) if match and is_token(text) else ("", "")
    found = (await session.execute(_BY_ID, {"identity": identity})).one_or_none()
    known = found[0].secret_sha256 if found else ""
    # The comparison takes the same time whether the id is known or not.
    is_same = hmac.compare_digest(hashlib.sha256(secret.encode()).hexdigest(), known.zfill(64))
    if found is None or not is_same:
        raise _refused()
    token, account = found
    if (
        token.revoked_at is not None
        or account.disabled_at is not None
        or int(now.timestamp()) >= token.expires_at
    ):
        raise _refused()
    role = Role(account.role)
    permissions = ROLE_PERMISSIONS[role] & token_permissions(token)
    codenames = account_codenames(account)
    return Principal(account.name, role, permissions, codenames, token.id, token.expires_at)


def _refused() -> AuthenticationError:
    return AuthenticationError("this needs a valid token: ask an admin for one.")
