"""Channels: their offers, the progress of their rollouts, and the forms of rollout commands.

Each command is an operation of the API. In a channel with two-person approval, a command that
admits phones becomes a waiting change, and its page says that another account has to approve it. A
withdrawal needs offline keys, so its form returns a file for their holders.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from server.console.forms import permille, reasons, stages
from server.console.page import EVERY, PREFIX, Download, Page, PageContent, Redirect, Visit
from server.console.texts import describe_windows, plan_of
from server.console.timeline import Timeline, draw, join_history
from server.core.errors import HeningError
from server.core.names import decode_channel
from server.publisher.build_names import version_of
from server.release import errors
from server.release.api.changes import ChangesQuery
from server.release.api.channels import ChannelState
from server.release.api.models import ReleaseState
from server.release.api.problems import describe
from server.release.auth.principal import Permission
from server.release.rollouts.changes import ChangeView, State
from server.release.rollouts.commands import Resume

CHANNEL = f"{PREFIX}/channels/{{codename}}/{{region}}/{{channel}}"
RECENT = 10  # changes on a channel's page
HISTORY = 200  # changes that are searched for the last offer
LANGUAGES = ("en", "id")  # of a halt's reason, if the build has no changelog with languages
SPARE = 1  # empty rows for further languages
MAX_LANGUAGES = 5  # languages in the form of a halt, which is filled in under time pressure
STAGES = 5  # rows of the form; the API accepts plans with more


async def list_channels(visit: Visit) -> PageContent:
    """Show the channels, page by page."""
    page = await visit.at.do("list_channels", query=visit.query)
    now = visit.services.epoch()
    rows = [(state, _timeline(state, now)) for state in page.items]
    return PageContent("channels.html", {"rows": rows, "next": page.next})


async def show_channel(visit: Visit) -> PageContent:
    """Show one channel, its schedule and its changes."""
    return PageContent("channel.html", await load_values(visit))


async def load_values(visit: Visit) -> dict[str, Any]:
    """Return the state of the channel in the path, its changes, and the account's rights."""
    operations, codename = visit.at, visit.path["codename"]
    state = await operations.do("get_channel", visit.path)
    now = visit.services.epoch()
    of_channel = ChangesQuery(channel=state.channel, limit=HISTORY)
    changes = (await operations.do("list_changes", query=of_channel)).items
    principal = operations.principal
    return {
        "state": state,
        "timeline": _timeline(state, _moment(state, changes, now), changes),
        "changes": changes[:RECENT],
        "windows": _windows(changes),
        "may_roll_out": principal.is_allowed(Permission.ROLLOUT, codename),
        "may_halt": principal.is_allowed(Permission.HALT, codename),
        "needs_approval": visit.services.rollouts.is_approval_needed(
            decode_channel(state.channel), Resume()
        ),
    }


def _moment(state: ChannelState, changes: list[ChangeView], now: int) -> int:
    """Return the time for which the share is shown: that of a recorded halt, else now.

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
    """Return the windows of the newest done change with a plan."""
    carried_out = (change for change in changes if change.state == "done")
    plans = (plan for change in carried_out if (plan := plan_of(change)) is not None)
    return describe_windows(next(plans, None))


async def ask_offer(visit: Visit) -> PageContent:
    """Show the form of an offer: the build, and the shares of the phones."""
    return await _show_offer(visit, {"share-1": "1"})


async def offer(visit: Visit) -> Redirect | PageContent:
    """Offer a build; if that is refused, show the filled-in form again with the reason."""
    try:
        plan = {"stages": stages(visit.form)}
        body = {"counter": visit.form.get("counter", ""), "plan": plan}
        return await _give_command(visit, "offer_release", body)
    except HeningError as error:
        if describe(error, "").problem.status != 422:
            raise
        return await _show_offer(visit, visit.form, str(error))


async def _show_offer(visit: Visit, given: Mapping[str, str], refusal: str = "") -> PageContent:
    visit.at.principal.check(Permission.ROLLOUT, visit.path["codename"])
    values = await load_values(visit)
    builds = [each for each in await _list_builds(visit) if each.counter > values["state"].counter]
    values |= {"builds": _label(builds), "rows": range(1, STAGES + 1)}
    values |= {"given": given, "refusal": refusal}
    return PageContent("offer.html", values, 422 if refusal else 200)


async def raise_share(visit: Visit) -> Redirect:
    """Raise the share now; this replaces the remaining steps."""
    plan = {"stages": [{"permille": permille(visit.form.get("share", ""))}]}
    return await _give_command(visit, "schedule_rollout", {"plan": plan})


async def pause(visit: Visit) -> Redirect:
    """Freeze the reached share."""
    return await _give_command(visit, "pause_rollout", {})


async def resume(visit: Visit) -> Redirect:
    """Resume the rollout."""
    return await _give_command(visit, "resume_rollout", {})


async def ask_halt(visit: Visit) -> PageContent:
    """Show the form of a halt, which explains its effect and has fields for the reason."""
    values = await load_values(visit)
    visit.at.principal.check(Permission.HALT, visit.path["codename"])
    counter = values["state"].counter
    locales = {
        locale
        for release in await _list_releases(visit)
        if release.counter == counter
        for locale in release.changelog
    }
    rows = [*sorted(locales or LANGUAGES)[:MAX_LANGUAGES], *[""] * SPARE]
    return PageContent("halt.html", {**values, "locales": rows})


async def halt(visit: Visit) -> Redirect:
    """Stop admitting devices."""
    return await _give_command(visit, "halt_rollout", {"reason": reasons(visit.form)})


async def ask_withdrawal(visit: Visit) -> PageContent:
    """Show the form of a withdrawal, which explains who has to sign it."""
    visit.at.principal.check(Permission.ROLLOUT, visit.path["codename"])
    values = await load_values(visit)
    return PageContent("withdraw.html", {**values, "builds": _label(await _list_builds(visit))})


async def withdraw(visit: Visit) -> Download:
    """Return the proposal of a withdrawal as a file; nothing changes until it is signed."""
    form = visit.form
    body = {
        "counter": form.get("counter", ""),
        "everywhere": form.get("everywhere") == "yes",
        "note": form.get("note", ""),
    }
    try:
        await visit.at.do("withdraw_release", visit.path, body=body)
    except errors.NeedsSignatureError as error:
        if error.proposal is None:
            raise
        name = f"withdrawal-{visit.path['codename']}-{body['counter']}.json"
        return Download(name, error.proposal["file"].encode())
    raise TypeError("a withdrawal was carried out without offline keys")


async def _give_command(visit: Visit, operation: str, body: Mapping[str, Any]) -> Redirect:
    """Give a command with the form's note, and redirect to the waiting change or the channel."""
    body = {**body, "note": visit.form.get("note", "")}
    result = await visit.at.do(operation, visit.path, body=body, etag=visit.form.get("etag", ""))
    if result.unrecorded:
        raise errors.RateError(result.unrecorded, share=errors.Share.REWORDINGS)
    if result.change.state == State.WAITING:
        return Redirect(f"{PREFIX}/orders/{result.change.id}")
    path = visit.path
    return Redirect(f"{PREFIX}/channels/{path['codename']}/{path['region']}/{path['channel']}")


async def _list_releases(visit: Visit) -> list[ReleaseState]:
    model = {"codename": visit.path["codename"]}
    releases: list[ReleaseState] = (await visit.at.do("list_releases", model, query=EVERY)).items
    return releases


async def _list_builds(visit: Visit) -> list[ReleaseState]:
    """Return the full packages of the channel that are not withdrawn, newest first."""
    channel = "{codename}/{region}/{channel}".format_map(visit.path)
    builds = [
        release
        for release in await _list_releases(visit)
        if release.channel == channel and release.type == "full" and not release.withdrawn
    ]
    return sorted(builds, key=lambda release: -release.counter)


def _label(builds: list[ReleaseState]) -> list[tuple[ReleaseState, str]]:
    return [(build, version_of(build.fingerprint)) for build in builds]


PAGES = (
    Page("GET", f"{PREFIX}/channels", list_channels),
    Page("GET", CHANNEL, show_channel),
    Page("GET", f"{CHANNEL}/offer", ask_offer),
    Page("POST", f"{CHANNEL}/offer", offer),
    Page("POST", f"{CHANNEL}/schedule", raise_share),
    Page("POST", f"{CHANNEL}/pause", pause, is_urgent=True),
    Page("POST", f"{CHANNEL}/resume", resume),
    Page("GET", f"{CHANNEL}/halt", ask_halt, is_urgent=True),
    Page("POST", f"{CHANNEL}/halt", halt, is_urgent=True),
    Page("GET", f"{CHANNEL}/withdraw", ask_withdrawal),
    Page("POST", f"{CHANNEL}/withdraw", withdraw),
)
