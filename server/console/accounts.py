"""Accounts, tokens and sessions: who may use the control plane. A leaked token is revoked here."""

from server.console.operations_client import EVERY
from server.console.page import PREFIX, Page, PageContent, Redirect, Visit
from server.release.api.accounts import AccountState, TokenQuery, TokenState
from server.release.auth.principal import Permission
from server.release.auth.web_sessions import end_session, list_sessions

_PATH = f"{PREFIX}/accounts"
_SESSIONS = f"{PREFIX}/sessions"


async def list_accounts(visit: Visit) -> PageContent:
    """Show accounts, a page of them at a time, each with its valid tokens."""
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
    """Disable an account: its tokens and sessions end for good."""
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
    """Show one's own sessions; to managers of accounts also those of accounts that they cover."""
    principal = visit.at.principal
    account = None if principal.is_allowed(Permission.PEOPLE) else principal.name
    async with visit.services.sessions() as session:
        rows = await list_sessions(session, visit.services.epoch(), account, of=principal)
    return PageContent("sessions.html", {"rows": rows})


async def end(visit: Visit) -> Redirect:
    """End a session; one's own is allowed, too."""
    services = visit.services
    async with services.sessions.begin() as session:
        await end_session(
            session, visit.at.principal, identity=visit.path["session"], at=services.epoch()
        )
    return Redirect(_SESSIONS)


PAGES = (
    Page("GET", _PATH, list_accounts),
    Page("POST", f"{_PATH}/{{account}}/disable", disable),
    Page("POST", f"{_PATH}/{{account}}/enable", enable),
    Page("POST", f"{PREFIX}/tokens/{{token}}/revoke", revoke),
    Page("GET", _SESSIONS, show_sessions),
    Page("POST", f"{_SESSIONS}/{{session}}/end", end),
)
