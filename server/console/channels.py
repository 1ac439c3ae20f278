"""Channels: what each offers, and how far its rollout is. `rollout_commands` has its forms."""

from collections.abc import Sequence
from typing import Any

from server.console.page import PREFIX, Page, PageContent, Visit
from server.console.texts import describe_windows, plan_of
from server.console.timeline import Timeline, draw, join_history
from server.core.names import decode_channel
from server.release.api.changes import ChangesQuery
from server.release.api.channels import ChannelState
from server.release.auth.principal import Permission
from server.release.rollouts.changes import ChangeView
from server.release.rollouts.commands import Resume

CHANNEL = f"{PREFIX}/channels/{{codename}}/{{region}}/{{channel}}"
RECENT = 10  # changes on a channel's page
HISTORY = 200  # changes that the chart looks through for the last offer


async def list_channels(visit: Visit) -> PageContent:
    """Show all channels, a page of them at a time."""
    page = await visit.at.do("list_channels", query=visit.query)
    now = visit.services.epoch()
    rows = [(state, _timeline(state, now)) for state in page.items]
    return PageContent("channels.html", {"rows": rows, "next": page.next})


async def show_channel(visit: Visit) -> PageContent:
    """Show one channel, its schedule and its changes."""
    return PageContent("channel.html", await load_values(visit))


async def load_values(visit: Visit) -> dict[str, Any]:
    """Return the state of the channel in the path, its changes, and what the account may do."""
    operations, codename = visit.at, visit.path["codename"]
    state = await operations.do("get_channel", visit.path)
    now = visit.services.epoch()
    of_channel = ChangesQuery(channel=state.channel, limit=HISTORY)
    changes = (await operations.do("list_changes", query=of_channel)).items
    who = operations.principal
    return {
        "state": state,
        "timeline": _timeline(state, _moment(state, changes, now), changes),
        "changes": changes[:RECENT],
        "windows": _windows(changes),
        "may_roll_out": who.is_allowed(Permission.ROLLOUT, codename),
        "may_halt": who.is_allowed(Permission.HALT, codename),
        "needs_approval": visit.services.require_rollouts().is_approval_needed(
            decode_channel(state.channel), Resume()
        ),
    }


def _moment(state: ChannelState, changes: list[ChangeView], now: int) -> int:
    """Return the time for which the share is shown: of the halt, if recorded, or now.

    A halted pointer keeps its schedule, which has no effect any more.
    """
    if state.state != "halted":
        return now
    halts = []
    for change in changes:
        if change.state == "done" and change.action == "offer":
            break
        if change.state == "done" and change.action == "halt":
            halts.append(change.finished_at or now)
    return min(halts, default=now)


def _timeline(state: ChannelState, now: int, changes: Sequence[ChangeView] = ()) -> Timeline | None:
    if not state.schedule:
        return None
    schedule = [(step.start, step.permille) for step in state.schedule]
    schedule = join_history(schedule, changes)
    return draw(schedule, now, is_frozen=state.state in {"paused", "halted"})


def _windows(changes: list[ChangeView]) -> list[str]:
    """Return the windows of the newest carried-out change that has a plan."""
    carried_out = (change for change in changes if change.state == "done")
    plans = (plan for change in carried_out if (plan := plan_of(change)) is not None)
    return describe_windows(next(plans, None))


PAGES = (
    Page("GET", f"{PREFIX}/channels", list_channels),
    Page("GET", CHANNEL, show_channel),
)
