"""Sessions: lists and ends them."""

from server.console.page import PREFIX, Page, PageContent, Redirect, Visit
from server.release.auth.principal import Permission
from server.release.auth.web_sessions import end_session, list_sessions

_PATH = f"{PREFIX}/sessions"


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
    return Redirect(_PATH)


PAGES = (
    Page("GET", _PATH, show_sessions),
    Page("POST", f"{_PATH}/{{session}}/end", end),
)
