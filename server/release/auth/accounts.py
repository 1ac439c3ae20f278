"""Accounts: accounts create, change, disable and enable other accounts, and never delete them.

An account can only grant rights that it has. To create, change, disable or enable an account, the
caller needs all rights of that account's role, for all its codenames. At least one admin for all
codenames stays enabled.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.errors import FormatError
from server.core.names import is_codename
from server.release.auth.audit_log import lock_audit_log, record
from server.release.auth.principal import (
    CONTENT_ROLES,
    EVERY_CODENAME,
    ROLE_PERMISSIONS,
    Permission,
    Principal,
    Role,
    redact,
)
from server.release.errors import ConflictError, NotFoundError, PermissionDeniedError
from server.storage.models import Account, Token, WebSession

MAX_CODENAMES = 1000
SUBJECT_LIMIT = 255  # OpenID Connect Core 1.0 section 2
_LIMIT = 64 * MAX_CODENAMES
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def check_account_name(text: str) -> None:
    """Raise FormatError unless `text` may name an account."""
    if _NAME.fullmatch(text) is None:
        raise FormatError(
            f"{text[:64]!r} is not an account name: lower-case letters, digits, `.`, `_` and `-`,"
            " at most 64, the first a letter or digit."
        )
    if redact(text) != text:
        raise FormatError("an account's name must not look like a token: if it is one, revoke it.")


def check_codenames(codenames: Iterable[str]) -> tuple[str, ...]:
    """Return `codenames` sorted and without duplicates, or only `*`, for all, if it is among them.

    Raises FormatError for an invalid name, and for none or more than MAX_CODENAMES.
    """
    names = sorted(set(codenames))
    if not 1 <= len(names) <= MAX_CODENAMES:
        raise FormatError(f"an account has 1 to {MAX_CODENAMES} codenames, or `*` for all.")
    for name in names:
        if name != EVERY_CODENAME and name not in CONTENT_ROLES and not is_codename(name):
            raise FormatError(f"{name[:64]!r} is neither a codename nor content, tables or `*`.")
    return (EVERY_CODENAME,) if EVERY_CODENAME in names else tuple(names)


def account_codenames(account: Account) -> tuple[str, ...]:
    """Return the codenames of an account's row."""
    return tuple(decode_canonical_json(account.codenames.encode(), limit=_LIMIT))


async def list_accounts(
    session: AsyncSession,
    *,
    of: Principal | None = None,
    after: str = "",
    limit: int | None = None,
) -> Sequence[Account]:
    """Return all accounts by name, or `limit` of them after the name `after`.

    With `of`, only the accounts whose codenames this principal covers.
    """
    query = select(Account).where(Account.name > after).order_by(Account.name)
    rows = (await session.scalars(query)).all()
    return [row for row in rows if of is None or of.covers(account_codenames(row))][:limit]


async def load_account(session: AsyncSession, name: str) -> Account:
    """Return an account by name; raises NotFoundError if it does not exist."""
    account = await session.get(Account, name, populate_existing=True)
    if account is None:
        raise NotFoundError(f"there is no account {name[:64]}: look at the list of accounts.")
    return account


async def create_account(
    session: AsyncSession,
    principal: Principal,
    *,
    name: str,
    role: Role,
    codenames: Iterable[str],
    at: int,
) -> Account:
    """Create an account; raises ConflictError if the name was ever used."""
    check_account_name(name)
    checked = check_codenames(codenames)
    check_holds(principal, ROLE_PERMISSIONS[role], checked)
    await lock_audit_log(session)
    if await session.get(Account, name) is not None:
        raise ConflictError(f"there is an account {name} already: choose another name.")
    account = Account(name=name, role=role, codenames=_encode(checked), created_at=at)
    session.add(account)
    await session.flush()
    await record(
        session,
        at=at,
        actor=principal.actor,
        action="account.create",
        subject=name,
        detail={"role": role, "codenames": shorten_codenames(checked)},
    )
    return account


async def change_account(
    session: AsyncSession,
    principal: Principal,
    *,
    name: str,
    role: Role | None = None,
    codenames: Iterable[str] | None = None,
    subject: str | None = None,
    at: int,
) -> Account:
    """Change an account's role, codenames or login; its tokens change with it, immediately.

    `subject` is the subject at the identity provider that may log in to the account; an empty text
    allows no login. Raises ConflictError if another account has that subject.
    """
    principal.check(Permission.PEOPLE)
    await lock_audit_log(session)
    account = await load_account(session, name)
    before = (Role(account.role), account_codenames(account))
    new_role = before[0] if role is None else role
    new_codenames = before[1] if codenames is None else check_codenames(codenames)
    check_holds(principal, ROLE_PERMISSIONS[before[0]], before[1])
    check_holds(principal, ROLE_PERMISSIONS[new_role], new_codenames)
    new_subject = account.subject if subject is None else subject or None
    if (new_role, new_codenames, new_subject) == (*before, account.subject):
        return account
    await _check_subject(session, account, new_subject)
    if (new_role, new_codenames) != (Role.ADMIN, (EVERY_CODENAME,)):
        await _check_admin_left(session, without=account)
    login = {} if new_subject == account.subject else {"subject": new_subject}
    account.role, account.codenames = new_role, _encode(new_codenames)
    account.subject = new_subject
    await record(
        session,
        at=at,
        actor=principal.actor,
        action="account.change",
        subject=name,
        detail={
            "role": [before[0], new_role],
            "codenames": [shorten_codenames(before[1]), shorten_codenames(new_codenames)],
            **login,
        },
    )
    return account


async def disable_account(
    session: AsyncSession, principal: Principal, *, name: str, at: int
) -> Account:
    """Disable an account: end its tokens, logins and sessions for good. Idempotent."""
    principal.check(Permission.PEOPLE)
    await lock_audit_log(session)
    account = await load_account(session, name)
    check_manages(principal, account)
    if account.disabled_at is not None:
        return account
    await _check_admin_left(session, without=account)
    account.disabled_at = account.logins_from = at
    revoke = (
        update(Token)
        .where(Token.account == name, Token.revoked_at.is_(None))
        .values(revoked_at=at)
        .returning(Token.id)
    )
    revoked = sorted((await session.scalars(revoke)).all())
    end = (
        update(WebSession)
        .where(
            WebSession.account == name,
            WebSession.ended_at.is_(None),
            WebSession.expires_at > at,
        )
        .values(ended_at=at)
        .returning(WebSession.id)
    )
    ended = (await session.scalars(end)).all()
    await record(
        session,
        at=at,
        actor=principal.actor,
        action="account.disable",
        subject=name,
        detail={"sessions_ended": len(ended), "tokens_revoked": len(revoked)},
    )
    return account


async def enable_account(
    session: AsyncSession, principal: Principal, *, name: str, at: int
) -> Account:
    """Enable an account again; it needs new tokens. Idempotent."""
    principal.check(Permission.PEOPLE)
    await lock_audit_log(session)
    account = await load_account(session, name)
    check_manages(principal, account)
    if account.disabled_at is None:
        return account
    account.disabled_at = None
    await record(
        session, at=at, actor=principal.actor, action="account.enable", subject=name, detail={}
    )
    return account


def check_holds(
    principal: Principal, permissions: frozenset[Permission], codenames: Iterable[str]
) -> None:
    """Raise PermissionDeniedError unless `principal` manages accounts and has these rights."""
    principal.check(Permission.PEOPLE)
    if lacking := permissions - principal.permissions:
        raise PermissionDeniedError(
            f"the account {principal.name} does not have the right to {min(lacking)} here, so it"
            " cannot grant it or manage accounts that have it: ask an admin with all rights."
        )
    if not principal.covers(codenames):
        missing = min(set(codenames) - set(principal.codenames))
        raise PermissionDeniedError(
            f"the account {principal.name} has no rights for {missing}, so it cannot manage"
            " accounts that have them: ask an admin with all codenames."
        )


def check_manages(principal: Principal, account: Account) -> None:
    """Raise PermissionDeniedError unless `principal` has the role's rights for all its codenames.

    Role and codenames are those of `account`.
    """
    check_holds(principal, ROLE_PERMISSIONS[Role(account.role)], account_codenames(account))


async def _check_admin_left(session: AsyncSession, *, without: Account) -> None:
    """Raise ConflictError if `without` is the only enabled admin for all codenames."""
    admins = select(Account.name).where(
        Account.role == Role.ADMIN,
        Account.codenames == _encode((EVERY_CODENAME,)),
        Account.disabled_at.is_(None),
    )
    if list(await session.scalars(admins.limit(2))) == [without.name]:
        raise ConflictError(
            f"{without.name} is the last admin for all codenames: create another one first."
        )


async def find_by_subject(session: AsyncSession, subject: str) -> Account | None:
    """Return the account that is linked to `subject` at the identity provider, or None."""
    return (await session.scalars(select(Account).where(Account.subject == subject))).one_or_none()


async def _check_subject(session: AsyncSession, account: Account, subject: str | None) -> None:
    if subject is None:
        return
    if len(subject) > SUBJECT_LIMIT or not subject.isprintable():
        raise FormatError(f"a subject has at most {SUBJECT_LIMIT} printable characters.")
    other = await find_by_subject(session, subject)
    if other is not None and other.name != account.name:
        raise ConflictError(f"this subject logs in to {other.name} already: remove it there first.")


def _encode(codenames: tuple[str, ...]) -> str:
    return encode_canonical_json(list(codenames)).decode()


def shorten_codenames(codenames: tuple[str, ...]) -> list[str]:
    """Return codenames in the audit log's form: up to 100 of them, and a hash if there are more."""
    if len(codenames) <= 100:
        return list(codenames)
    sha256 = hashlib.sha256(_encode(codenames).encode()).hexdigest()
    return [*codenames[:100], f"and {len(codenames) - 100} more, sha256 {sha256}"]
