"""Alarms: everything that needs attention now, and changes that failed without a person there."""

from server.console.page import PREFIX, Page, PageContent, Visit
from server.core.names import is_online
from server.publisher.expiry.alarms import SEVERITIES, Notice

_NO_ROLES = frozenset({"clock", "disk", "limits", "log", "quota", "server"})
REFUSED = 5  # newest changes that were refused


async def list_alarms(visit: Visit) -> PageContent:
    """Show alarms, the worst first, and the newest refused changes."""
    status = await visit.at.do("get_status")
    refused = await visit.at.do("list_changes", query={"state": "refused", "limit": REFUSED})
    values = {
        "alarms": [(notice, where_to(notice)) for notice in sort_notices(status.alarms)],
        "refused": refused.items,
        "more": refused.next is not None,
    }
    return PageContent("alarms.html", values)


def sort_notices(notices: list[Notice]) -> list[Notice]:
    """Return notices with the worst first."""
    return sorted(notices, key=lambda notice: SEVERITIES.index(notice.severity))


def where_to(notice: Notice) -> str:
    """Return the path of the page that says how to end a notice; an empty text for none."""
    is_signed_by_people = notice.subject not in _NO_ROLES and not is_online(notice.subject)
    return f"{PREFIX}/keys" if is_signed_by_people else ""


PAGES = (Page("GET", f"{PREFIX}/alarms", list_alarms),)
