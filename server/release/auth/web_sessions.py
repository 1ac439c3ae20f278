"""Sessions of the console: browsers that are signed in. Only a hash of the cookie is stored.

The rights of a session are computed at each request: the account's present rights, narrowed by the
token if the session began with one.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Select, and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.release.auth.accounts import (
    account_codenames,
    check_manages,
    list_accounts,
    load_account,
)
from server.release.auth.audit_log import lock_audit_log, record
from server.release.auth.principal import (
    EVERY_CODENAME,
    ROLE_PERMISSIONS,
    Permission,
    Principal,
    Role,
)
from server.release.auth.tokens import token_permissions, token_state
from server.release.errors import AuthenticationError, NotFoundError
from server.storage.database import Sessions
from server.storage.models import Account, Token, WebSession

LIFE_SECONDS = 12 * 3600  # a working day
IDLE_SECONDS = 2 * 3600  # ends the session of a browser left unused on a shared machine
TOUCH_SECONDS = 300  # resolution of `seen_at`: most requests need no write
KEEP_SECONDS = 30 * 86_400  # how long rows are kept after their expiry, for investigations
LIVE_SESSIONS = 16  # open sessions of one account; one more ends the oldest
KEPT_SESSIONS = 1000  # rows of one account, open or ended; the audit log has the older ones
_ID_BYTES = 6
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class NewSession:
    """A new session's row and the secret of its cookie. The secret is not stored."""

    row: WebSession
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a session: a token's id, or a subject at the identity provider."""

    account: str
    token: str | None = None
    subject: str | None = None


async def begin_session(
    session: AsyncSession,
    entropy: Callable[[int], bytes],
    origin: Origin,
    *,
    at: int,
    former: str = "",
) -> NewSession:
    """Begin a session in the caller's transaction, and end the session of the `former` cookie.

    An account with too many open sessions loses the oldest. Raises AuthenticationError if the
    origin is not valid any more.
    """
    await lock_audit_log(session)
    account = await load_account(session, origin.account)
    token = None if origin.token is None else await session.get(Token, origin.token)
    newest = (
        select(WebSession.id)
        .where(WebSession.account == account.name)
        .order_by(WebSession.created_at.desc(), WebSession.id)
        .limit(KEPT_SESSIONS - 1)
    )
    surplus = and_(WebSession.account == account.name, WebSession.id.not_in(newest))
    old = WebSession.expires_at < at - KEEP_SECONDS
    await session.execute(delete(WebSession).where(or_(old, surplus)))
    secret = entropy(_SECRET_BYTES).hex()
    row = WebSession(
        id=f"s-{entropy(_ID_BYTES).hex()}",
        account=account.name,
        secret_sha256=_digest(secret),
        token=origin.token,
        subject=origin.subject,
        created_at=at,
        seen_at=at,
        expires_at=at + LIFE_SECONDS,
        ended_at=None,
    )
    principal = _principal(row, account, token, at)
    await _end_others(session, principal, former, at)
    session.add(row)
    await session.flush()
    await record(
        session,
        at=at,
        actor=principal.actor,
        action="session.begin",
        subject=account.name,
        detail={"session": row.id, "by": "login" if origin.token is None else origin.token},
    )
    return NewSession(row, secret)


async def _end_others(session: AsyncSession, principal: Principal, former: str, at: int) -> None:
    digest = _digest(former)
    is_wanted = or_(WebSession.account == principal.name, WebSession.secret_sha256 == digest)
    rows = (await session.scalars(_open_sessions(at).where(is_wanted))).all()
    for row in rows:
        if row.secret_sha256 == digest:
            await _end(session, row, f"{row.account}/{row.id}", at)
    live = [row for row in rows if row.secret_sha256 != digest]
    for row in live[LIVE_SESSIONS - 1 :]:
        await _end(session, row, principal.actor, at)


async def find_session(sessions: Sessions, secret: str, at: int) -> Principal:
    """Return the principal of the cookie `secret`, with its rights at `at` (epoch seconds).

    Raises AuthenticationError, with the same message for every reason.
    """
    query = (
        select(WebSession, Account, Token)
        .join(Account, Account.name == WebSession.account)
        .outerjoin(Token, Token.id == WebSession.token)
        .where(WebSession.secret_sha256 == _digest(secret))
    )
    async with sessions() as session:
        found = (await session.execute(query)).one_or_none()
    if found is None:
        raise _refused()
    row, account, token = found
    principal = _principal(row, account, token, at)
    if at - row.seen_at >= TOUCH_SECONDS:
        touch = update(WebSession).where(WebSession.id == row.id, WebSession.seen_at < at)
        async with sessions.begin() as session:
            await session.execute(touch.values(seen_at=at))
    return principal


async def list_sessions(
    session: AsyncSession, at: int, account: str | None = None, *, of: Principal | None = None
) -> Sequence[WebSession]:
    """Return the sessions that are open at `at`, newest first: of an account, or of all accounts.

    With `of`, only sessions of accounts whose codenames this principal covers.
    """
    query = _open_sessions(at)
    if account is not None:
        query = query.where(WebSession.account == account)
    if of is not None and EVERY_CODENAME not in of.codenames:
        covered = [row.name for row in await list_accounts(session, of=of)]
        query = query.where(WebSession.account.in_(covered))
    return (await session.scalars(query)).all()


async def end_session(
    session: AsyncSession, principal: Principal, *, identity: str, at: int
) -> WebSession:
    """End a session. Idempotent.

    An account may end its own sessions. A caller that manages accounts may also end the sessions of
    accounts with no more rights than its own.
    """
    await lock_audit_log(session)
    row = await session.get(WebSession, identity, populate_existing=True)
    is_own = row is not None and row.account == principal.name
    if not is_own:
        principal.check(Permission.PEOPLE)
    if row is None:
        raise NotFoundError(f"there is no session {identity[:32]}: look at the list of sessions.")
    if not is_own:
        check_manages(principal, await load_account(session, row.account))
    if row.ended_at is None and row.expires_at > at:
        await _end(session, row, principal.actor, at)
    return row


async def _end(session: AsyncSession, row: WebSession, actor: str, at: int) -> None:
    row.ended_at = at
    await record(
        session,
        at=at,
        actor=actor,
        action="session.end",
        subject=row.account,
        detail={"session": row.id},
    )


def _principal(row: WebSession, account: Account, token: Token | None, at: int) -> Principal:
    """Return the principal of a session; raises AuthenticationError if it has ended."""
    is_open = row.ended_at is None and at < min(row.expires_at, row.seen_at + IDLE_SECONDS)
    if not is_open or account.disabled_at is not None:
        raise _refused()
    role = Role(account.role)
    permissions = ROLE_PERMISSIONS[role]
    if row.token is not None:
        if token is None or token_state(token, at) != "valid":
            raise _refused()
        permissions &= token_permissions(token)
    elif account.subject is None or account.subject != row.subject:
        raise _refused()
    return Principal(account.name, role, permissions, account_codenames(account), row.id)


def _open_sessions(at: int) -> Select[WebSession]:
    """Return the query for the sessions that `_principal` accepts, newest first."""
    by_token = and_(Token.revoked_at.is_(None), Token.expires_at > at)
    by_login = and_(WebSession.token.is_(None), WebSession.subject == Account.subject)
    return (
        select(WebSession)
        .join(Account, Account.name == WebSession.account)
        .outerjoin(Token, Token.id == WebSession.token)
        .where(
            Account.disabled_at.is_(None),
            WebSession.ended_at.is_(None),
            WebSession.expires_at > at,
            WebSession.seen_at > at - IDLE_SECONDS,
            or_(by_token, by_login),
        )
        .order_by(WebSession.created_at.desc(), WebSession.id)
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _refused() -> AuthenticationError:
    return AuthenticationError("this session is over: sign in again.")
