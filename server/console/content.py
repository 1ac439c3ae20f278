"""Content: the packs that phones fetch, their versions and schedules."""

from server.console.page import PREFIX, Page, PageContent, Visit
from server.release.api.content import PackState


async def list_packs(visit: Visit) -> PageContent:
    """Show all packs."""
    packs: list[PackState] = (await visit.at.do("list_packs")).items
    now = visit.services.epoch()
    fetched = [pack for pack in packs if not pack.withdrawn]
    values = {
        "rows": [(pack, _state(pack, now), _share(pack, now)) for pack in packs],
        "files": sum(pack.parts for pack in fetched),
        "length": sum(pack.length for pack in fetched),
        "next_notice": 1
        + max((pack.version for pack in packs if pack.kind == "notices"), default=0),
    }
    return PageContent("content.html", values)


def _state(pack: PackState, now: int) -> str:
    if pack.withdrawn:
        return "withdrawn"
    if pack.end is not None and pack.end <= now:
        return "ended"
    return "in use" if pack.start <= now else "to come"


def _share(pack: PackState, now: int) -> int:
    """Return which share of the phones uses a pack in use, in permille."""
    return max((step.permille for step in pack.rollout if step.start <= now), default=0)


PAGES = (Page("GET", f"{PREFIX}/content", list_packs),)
