"""Channels: what each offers, how far its rollout is, and the commands that change it."""

from collections.abc import Mapping
from typing import Any

from server.console.forms import reasons
from server.console.overview import draw
from server.console.page import PREFIX, Page, PageContent, Redirect, Visit
from server.console.texts import describe_windows, plan_of
from server.release import errors
from server.release.api.channels import ChannelState
from server.release.auth.principal import Permission
from server.release.rollouts.changes import ChangeView

_PATH = f"{PREFIX}/channels/{{codename}}/{{region}}/{{channel}}"
RECENT = 10  # changes on a channel's page
LANGUAGES = ("en", "id")  # of a halt's reason, if the build has no change log to take them from
SPARE = 1  # empty rows for further languages
MOST = 5  # languages that are asked for: in a halt there is no time for more


async def list_channels(visit: Visit) -> PageContent:
    """Show all channels, a page of them at a time."""
    page = await visit.at.do("list_channels", query=visit.query)
    now = visit.services.epoch()
    rows = [(state, _timeline(state, now)) for state in page.items]
    return PageContent("channels.html", {"rows": rows, "next": page.next})


async def show_channel(visit: Visit) -> PageContent:
    """Show one channel, its schedule and its changes."""
    return PageContent("channel.html", await _values(visit))


async def ask_halt(visit: Visit) -> PageContent:
    """Ask for the reason, and say what a halt does."""
    values = await _values(visit)
    visit.at.principal.check(Permission.HALT, visit.path["codename"])
    releases = (await visit.at.do("list_releases", _model(visit), query={"limit": 200})).items
    counter = values["state"].counter
    locales = {
        locale for release in releases if release.counter == counter for locale in release.changelog
    }
    rows = [*sorted(locales or LANGUAGES)[:MOST], *[""] * SPARE]
    return PageContent("halt.html", {**values, "locales": rows})


async def pause(visit: Visit) -> Redirect:
    """Freeze the reached share."""
    return await _give_command(visit, "pause_rollout", {"note": visit.form.get("note", "")})


async def resume(visit: Visit) -> Redirect:
    """Resume the rollout."""
    return await _give_command(visit, "resume_rollout", {"note": visit.form.get("note", "")})


async def halt(visit: Visit) -> Redirect:
    """Stop admitting devices."""
    body = {"reason": reasons(visit.form), "note": visit.form.get("note", "")}
    return await _give_command(visit, "halt_rollout", body)


async def _give_command(visit: Visit, operation: str, body: Mapping[str, Any]) -> Redirect:
    result = await visit.at.do(operation, visit.path, body=body, etag=visit.form.get("etag", ""))
    if result.unrecorded:
        raise errors.RateError(result.unrecorded, share=errors.Share.REWORDINGS)
    path = visit.path
    return Redirect(f"{PREFIX}/channels/{path['codename']}/{path['region']}/{path['channel']}")


async def _values(visit: Visit) -> dict[str, Any]:
    operations, codename = visit.at, visit.path["codename"]
    state = await operations.do("get_channel", visit.path)
    now = visit.services.epoch()
    changes = (
        await operations.do("list_changes", query={"channel": state.channel, "limit": RECENT})
    ).items
    who = operations.principal
    return {
        "state": state,
        "timeline": _timeline(state, _moment(state, changes, now)),
        "changes": changes,
        "windows": _windows(changes),
        "may_roll_out": who.is_allowed(Permission.ROLLOUT, codename),
        "may_halt": who.is_allowed(Permission.HALT, codename),
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


def _timeline(state: ChannelState, now: int) -> Any:  # noqa: ANN401 - a Timeline or None
    if not state.schedule:
        return None
    schedule = [(step.start, step.permille) for step in state.schedule]
    return draw(schedule, now, is_frozen=state.state in {"paused", "halted"})


def _windows(changes: list[ChangeView]) -> list[str]:
    """Return the windows of the newest carried-out change that has a plan."""
    carried_out = (change for change in changes if change.state == "done")
    plans = (plan for change in carried_out if (plan := plan_of(change)) is not None)
    return describe_windows(next(plans, None))


def _model(visit: Visit) -> dict[str, str]:
    return {"codename": visit.path["codename"]}


PAGES = (
    Page("GET", f"{PREFIX}/channels", list_channels),
    Page("GET", _PATH, show_channel),
    Page("GET", f"{_PATH}/halt", ask_halt, is_urgent=True),
    Page("POST", f"{_PATH}/halt", halt, is_urgent=True),
    Page("POST", f"{_PATH}/pause", pause, is_urgent=True),
    Page("POST", f"{_PATH}/resume", resume),
)
