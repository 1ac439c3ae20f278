"""Ends the open changes and the credentials of a restored database.

The database does not know what was carried out, cancelled, revoked or disabled after its backup.
Without this step, open changes could be carried out twice, and revoked credentials would be valid.
"""

from dataclasses import dataclass

from sqlalchemy import select, update

from server.release.auth.audit_log import lock_audit_log, record
from server.release.auth.principal import Principal
from server.release.rollouts.changes import Outcome, State, known_outcome
from server.release.rollouts.ledger import settle
from server.storage.database import Sessions
from server.storage.models import Change, Token, WebSession

REASON = (
    "the database was restored, and this change may be outdated: look at the channel,"
    " and give it again if it is still wanted."
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How many changes were cancelled, tokens revoked and sessions ended."""

    changes: int
    tokens: int
    sessions: int


async def invalidate_restored(
    sessions: Sessions, principal: Principal, at: int, *, keep_tokens: bool
) -> Ended:
    """Cancel all open changes, and end all tokens and sessions, in one transaction.

    `keep_tokens` leaves tokens and sessions alone: for an operator who knows that none of them was
    ended after the backup.
    """
    async with sessions.begin() as session:
        await lock_audit_log(session)
        is_open = Change.state.in_((State.WAITING, State.APPROVED))
        changes = (await session.scalars(select(Change).where(is_open))).all()
        for change in changes:
            await settle(
                session,
                change,
                State.CANCELLED,
                Outcome(known_outcome(change).intent, 0, REASON),
                at=at,
                actor=principal.actor,
            )
        if keep_tokens:
            return Ended(len(changes), 0, 0)
        revoke = update(Token).where(Token.revoked_at.is_(None)).values(revoked_at=at)
        end = update(WebSession).where(WebSession.ended_at.is_(None)).values(ended_at=at)
        tokens = len((await session.scalars(revoke.returning(Token.id))).all())
        ended = len((await session.scalars(end.returning(WebSession.id))).all())
        if tokens or ended:
            await record(
                session,
                at=at,
                actor=principal.actor,
                action="token.revoke-all",
                subject="database",
                detail={"sessions_ended": ended, "tokens_revoked": tokens},
            )
    return Ended(len(changes), tokens, ended)
