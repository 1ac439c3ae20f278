"""Two-person approval: approver and proposer must not control each other's accounts.

An account that created, changed or enabled another account, or gave it a token, could act as that
account. Therefore neither of the two may approve a change that the other proposed. This includes
indirect control through further accounts. Control is read from the audit log.

`account disable` ends tokens and sessions, so only actions after the last disabling count. A
disabled account keeps its login at an identity provider, so the account that set the login counts
until another account sets a new one. The command line does not count: a user with a shell on the
server is not bound by approvals.
"""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.core.encodings import decode_canonical_json
from server.release.auth.audit_log import DETAIL_LIMIT
from server.release.auth.principal import Permission, Principal
from server.release.errors import PermissionDeniedError
from server.storage.models import AuditLogEntry

_END = "account.disable"
_CONTROLLING = ("account.create", "account.change", "account.enable", "token.create")


async def check_approver(session: AsyncSession, principal: Principal, proposer: str) -> None:
    """Raise PermissionDeniedError unless `principal` may approve what `proposer` proposed.

    No account may approve its own change: no admin, and not with another token. Proposer and
    approver must not control each other.
    """
    principal.check(Permission.APPROVE)
    if principal.name == proposer:
        raise PermissionDeniedError(
            f"the account {principal.name} proposed this change: another account has to approve it."
        )
    for one, other in ((proposer, principal.name), (principal.name, proposer)):
        if one in await find_controllers(session, other):
            raise PermissionDeniedError(
                f"the account {other} is controlled by {one}, which created or changed it or gave"
                f" it a token: a third account has to approve what {proposer} proposed."
            )


async def find_controllers(session: AsyncSession, name: str) -> set[str]:
    """Return the accounts that control the account `name`, directly or through others."""
    found: set[str] = set()
    pending = {name}
    while pending:
        actors = await _find_actors(session, pending.pop())
        pending |= actors - found
        found |= actors
    return found - {name}


async def _find_actors(session: AsyncSession, name: str) -> set[str]:
    query = (
        select(AuditLogEntry.actor, AuditLogEntry.action, AuditLogEntry.detail)
        .where(AuditLogEntry.subject == name, AuditLogEntry.action.in_((_END, *_CONTROLLING)))
        .order_by(AuditLogEntry.index)
    )
    actors: set[str] = set()
    login: set[str] = set()  # the actor that set the login, which a disabled account keeps
    for actor, action, detail in await session.execute(query):
        accounts = set() if ":" in actor else {actor.partition("/")[0]}
        if action == _END:
            actors.clear()
        else:
            actors |= accounts
        if "subject" in decode_canonical_json(detail.encode(), limit=4 * DETAIL_LIMIT):
            login = accounts
    return actors | login
