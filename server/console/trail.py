"""The trail: who changed what, newest first, by person, action and subject."""

import msgspec

from server.console.address import PREFIX
from server.console.page import Page, Shown, Visit

FILTERS = ("actor", "action", "subject")


async def list_trail(visit: Visit) -> Shown:
    """Show entries. What is left empty in the form matches all."""
    page = await visit.at.do("list_trail", query=visit.query)
    rows = [(entry, msgspec.json.encode(entry.detail).decode()) for entry in page.items]
    filters = {name: visit.query.get(name, "") for name in FILTERS}
    return Shown("trail.html", {"rows": rows, "next": page.next, "filters": filters})


PAGES = (Page("GET", f"{PREFIX}/trail", list_trail),)
