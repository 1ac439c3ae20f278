"""The audit log in sentences, newest first, filtered by account, action and subject."""

from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from server.console.page import PREFIX, Page, PageContent, Visit
from server.console.rendering import day, moment
from server.console.texts import describe_details, describe_entry
from server.release.api.audit_log import Entry
from server.release.errors import NotFoundError, PermissionDeniedError
from server.release.rollouts.changes import ChangeView

FILTERS = ("actor", "action", "subject")


async def list_trail(visit: Visit) -> PageContent:
    """Show entries in words. An empty form field matches all."""
    page = await visit.at.do("list_trail", query=visit.query)
    wanted = {entry.detail["change"] for entry in page.items if "change" in entry.detail}
    changes = {change: await _find_change(visit, change) for change in wanted}
    rows = [_describe(entry, changes.get(entry.detail.get("change"))) for entry in page.items]
    filters = {name: visit.query.get(name, "") for name in FILTERS}
    days = [(name, list(of_day)) for name, of_day in groupby(rows, key=itemgetter("day"))]
    return PageContent("audit_log.html", {"days": days, "next": page.next, "filters": filters})


async def _find_change(visit: Visit, change: str) -> ChangeView | None:
    """Return a change; None where it is gone, or not visible to this account."""
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


PAGES = (Page("GET", f"{PREFIX}/trail", list_trail),)
