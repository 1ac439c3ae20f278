"""The pages of accounts with their tokens, of sessions, and of the audit log.

Tokens can be revoked here, for example a leaked one. The audit log is shown in sentences, newest
first, and can be filtered by account, action and subject.
"""

from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from server.console.page import EVERY, PREFIX, Page, PageContent, Redirect, Visit
from server.console.rendering import day, moment
from server.console.texts import describe_details, describe_entry
from server.release.api.accounts import AccountState, TokenQuery, TokenState
from server.release.api.audit_log import Entry
from server.release.auth.principal import Permission
from server.release.auth.web_sessions import end_session, list_sessions
from server.release.errors import NotFoundError, PermissionDeniedError
from server.release.rollouts.changes import ChangeView

_PATH = f"{PREFIX}/accounts"
_SESSIONS = f"{PREFIX}/sessions"
FILTERS = ("actor", "action", "subject")


async def list_accounts(visit: Visit) -> PageContent:
    """Show the accounts with their valid tokens, page by page."""
    page = await visit.at.do("list_accounts", query=visit.query)
    found = await visit.at.do("list_tokens", query=TokenQuery(limit=EVERY.limit))
    tokens: dict[str, list[TokenState]] = {}
    for token in found.items:
        if token.state == "valid":
            tokens.setdefault(token.account, []).append(token)
    rows: list[tuple[AccountState, list[TokenState]]] = [
        (account, sorted(tokens.get(account.name, ()), key=lambda token: token.expires_at))
        for account in page.items
    ]
    return PageContent("accounts.html", {"rows": rows, "next": page.next})


async def disable(visit: Visit) -> Redirect:
    """Disable an account, and end its tokens and sessions for good."""
    await visit.at.do("disable_account", visit.path)
    return Redirect(_PATH)


async def enable(visit: Visit) -> Redirect:
    """Enable an account again; it needs new tokens."""
    await visit.at.do("enable_account", visit.path)
    return Redirect(_PATH)


async def revoke(visit: Visit) -> Redirect:
    """Revoke a token immediately."""
    await visit.at.do("revoke_token", visit.path)
    return Redirect(_PATH)


async def show_sessions(visit: Visit) -> PageContent:
    """Show the account's own sessions; if it manages accounts, also those of the ones it covers."""
    principal = visit.at.principal
    account = None if principal.is_allowed(Permission.PEOPLE) else principal.name
    async with visit.services.sessions() as session:
        rows = await list_sessions(session, visit.services.epoch(), account, of=principal)
    return PageContent("sessions.html", {"rows": rows})


async def end(visit: Visit) -> Redirect:
    """End a session: the account's own, or that of an account it manages."""
    services = visit.services
    async with services.sessions.begin() as session:
        await end_session(
            session, visit.at.principal, identity=visit.path["session"], at=services.epoch()
        )
    return Redirect(_SESSIONS)


async def list_trail(visit: Visit) -> PageContent:
    """Show entries in sentences. An empty form field matches all."""
    page = await visit.at.do("list_trail", query=visit.query)
    change_ids = {entry.detail["change"] for entry in page.items if "change" in entry.detail}
    changes = {change: await _find_change(visit, change) for change in change_ids}
    rows = [_describe(entry, changes.get(entry.detail.get("change"))) for entry in page.items]
    filters = {name: visit.query.get(name, "") for name in FILTERS}
    days = [(name, list(of_day)) for name, of_day in groupby(rows, key=itemgetter("day"))]
    return PageContent("audit_log.html", {"days": days, "next": page.next, "filters": filters})


async def _find_change(visit: Visit, change: str) -> ChangeView | None:
    """Return a change, or None if it does not exist or the account may not see it."""
    try:
        found: ChangeView = await visit.at.do("get_change", {"change": change})
    except (NotFoundError, PermissionDeniedError):
        return None
    return found


def _describe(entry: Entry, change: ChangeView | None) -> Mapping[str, Any]:
    return {
        "entry": entry,
        "day": day(entry.at),
        "sentence": describe_entry(entry.actor, entry.action, entry.subject, change),
        "details": describe_details(entry.action, entry.at, entry.detail, change, moment),
    }


PAGES = (
    Page("GET", _PATH, list_accounts),
    Page("POST", f"{_PATH}/{{account}}/disable", disable),
    Page("POST", f"{_PATH}/{{account}}/enable", enable),
    Page("POST", f"{PREFIX}/tokens/{{token}}/revoke", revoke),
    Page("GET", _SESSIONS, show_sessions),
    Page("POST", f"{_SESSIONS}/{{session}}/end", end),
    Page("GET", f"{PREFIX}/trail", list_trail),
)
