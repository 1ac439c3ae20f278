"""Channels: their present offers, previews of what phones get, and rollout commands."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec

from server.core.names import (
    Channel,
    decode_channel,
    decode_pointer_path,
    decode_release_path,
    is_codename,
)
from server.core.pointer import Pointer, Reason
from server.core.release import Positive
from server.publisher.build_names import BuildName, BuildNames
from server.publisher.published import Published
from server.publisher.rollout import newest_counter
from server.release import errors
from server.release.api.operation import (
    BODY_LIMIT,
    URGENT_BODY_LIMIT,
    Call,
    Handler,
    Operations,
    Reply,
)
from server.release.api.pagination import Page, PageQuery, decode_cursor, make_page
from server.release.auth.principal import Permission, Principal
from server.release.rollouts.changes import ChangeView, State
from server.release.rollouts.commands import (
    ANY,
    ChangeRequest,
    ChannelView,
    Command,
    Halt,
    Note,
    Offer,
    Pause,
    Resume,
    Schedule,
    channel_etag,
)
from server.release.rollouts.plan import Moment, Plan
from server.release.rollouts.preview import Preview, Share, describe_state, preview
from server.release.rollouts.repeated import explain_unrecorded
from server.release.rollouts.signed import Promote, Withdraw, needs_signature, propose_for_channel

OPERATIONS = Operations(permission=Permission.READ)

_PATH = "/channels/{codename}/{region}/{channel}"
Permille = Annotated[int, msgspec.Meta(ge=0, le=1000, description="Of the fleet.")]


class ChannelState(msgspec.Struct, frozen=True):
    """The offer of one channel; `etag` is for the If-Match of a change."""

    channel: str
    state: str
    """`empty`, `offered`, `paused` or `halted`."""
    counter: int
    """The counter of the offered build; 0 if none is offered."""
    permille: Permille
    schedule: list[Share]
    steps: list[int]
    """The counters of the stepping stones, with the offered build last."""
    reason: dict[str, str]
    etag: str
    build: BuildName | None = None
    """The name of the offered build; null if none is offered."""
    newer: BuildName | None = None
    """The newest listed build if it is later than the offered one; null if there is none."""


class _CommandOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    note: Note = ""
    """The reason for the audit log: plain text without links."""
    dry_run: bool = False
    """Answer with a preview and change nothing."""
    due_at: Moment | None = None
    """When to carry it out, in epoch seconds; null: now."""


class OfferCommand(_CommandOptions, frozen=True, kw_only=True):
    """Offer a build, with the stepping stones that it needs."""

    plan: Plan
    counter: Positive | None = None
    """The build's counter; null: the newest build."""


class ScheduleCommand(_CommandOptions, frozen=True, kw_only=True):
    """Replace the rest of the schedule; a paused rollout resumes with it."""

    plan: Plan


class PauseCommand(_CommandOptions, frozen=True, kw_only=True):
    """Freeze the reached share."""

    reason: Reason = {}
    """Shown to owners, by locale: plain text without links, with the note at most 4,000 bytes."""


class ResumeCommand(_CommandOptions, frozen=True, kw_only=True):
    """Resume with the stages that the pause removed from the schedule."""


class HaltCommand(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Stop admitting phones, immediately."""

    reason: Reason = {}
    """Shown to owners, by locale: plain text without links, with the note at most 4,000 bytes."""
    note: Note = ""
    """The reason for the audit log: plain text without links."""
    dry_run: bool = False


class CommandResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """The change that a command made, and the channel after it; for a dry run the preview."""

    channel: ChannelState
    change: ChangeView | None
    preview: Preview | None
    unrecorded: str = ""
    """Why the reason and note of a repeated halt or pause were not recorded; else empty."""


async def _command_again(call: Call, entry: Mapping[str, Any]) -> Reply:
    """Answer a recorded command, after completing it if a crash or failure interrupted it."""
    identity = entry["detail"]["change"]
    change = await call.services.rollouts.complete(call.caller, identity)
    if change.state == State.REFUSED:
        raise errors.ConflictError(f"change {change.id} is refused: {change.reason}")
    after = await call.services.rollouts.view(decode_channel(change.channel))
    state = _show(after, call.services.epoch())
    return Reply(CommandResult(state, change, None), headers={"ETag": after.etag})


def _command(
    name: str, summary: str, request: type[msgspec.Struct]
) -> Callable[[Handler], Handler]:
    """Declare the decorated handler as the rollout command `name`."""
    stops = name in {"halt", "pause"}
    return OPERATIONS.on(
        f"POST {_PATH}/{name}",
        summary,
        permission=Permission.HALT if name == "halt" else Permission.ROLLOUT,
        request=request,
        response=CommandResult,
        again=_command_again,
        limit=URGENT_BODY_LIMIT if stops else BODY_LIMIT,
        if_match=name != "halt",
        urgent=stops,
        stops=stops,
    )


@OPERATIONS.on("GET /channels", "List channels", query=PageQuery, response=Page[ChannelState])
async def list_channels(call: Call) -> Reply:
    """List the channels that you may see and that offer a build or list a release."""
    published = await call.services.rollouts.published()
    after = decode_cursor(call.query.cursor, str) or ""
    limit, now = call.query.limit + 1, call.services.epoch()
    rows = await asyncio.to_thread(_list, call.caller, published, after, limit, now)
    return Reply(make_page(call, rows, lambda state: state.channel, lambda state: state))


@OPERATIONS.on(f"GET {_PATH}", "Show a channel", response=ChannelState)
async def get_channel(call: Call) -> Reply:
    """Return the offer of a channel. The header ETag is for the If-Match of a change."""
    view = await _view(call)
    return Reply(_show(view, call.services.epoch()), headers={"ETag": view.etag})


@OPERATIONS.on(f"GET {_PATH}/preview", "Preview what phones are offered", response=Preview)
async def preview_channel(call: Call) -> Reply:
    """Return what phones with each build are offered, and when each share is reached."""
    view = await _view(call)
    now = call.services.epoch()
    result = await asyncio.to_thread(
        preview, view.channel, view.require_pointer(), view.releases, now
    )
    return Reply(result, headers={"ETag": view.etag})


@_command("offer", "Offer a build", OfferCommand)
async def offer_release(call: Call) -> Reply:
    """Offer a build: now, at a later time, or after an approval."""
    view = await _newest_view(call)
    counter = call.body.counter
    if counter is None:
        counter = newest_counter(view.channel, view.releases)
    return await _give_command(call, view, Offer(counter, call.body.plan))


@_command("schedule", "Replace the schedule", ScheduleCommand)
async def schedule_rollout(call: Call) -> Reply:
    """Replace the schedule; shares below the reached one are refused."""
    view = await _newest_view(call)
    return await _give_command(call, view, Schedule(call.body.plan))


@_command("pause", "Pause a rollout", PauseCommand)
async def pause_rollout(call: Call) -> Reply:
    """Freeze the reached share; the plan's clock stops."""
    view = await _newest_view(call)
    return await _give_command(call, view, Pause(call.body.reason))


@_command("resume", "Resume a rollout", ResumeCommand)
async def resume_rollout(call: Call) -> Reply:
    """Resume after a pause; the remaining stages are delayed by its length."""
    view = await _newest_view(call)
    return await _give_command(call, view, Resume())


@_command("halt", "Halt a rollout", HaltCommand)
async def halt_rollout(call: Call) -> Reply:
    """Stop admitting phones, including those that have not switched slots yet.

    It takes precedence over other commands, needs no If-Match and no approval, and may be repeated.
    """
    view = await _view(call, Permission.HALT)
    return await _give_command(call, view, Halt(call.body.reason))


@OPERATIONS.on(
    f"POST {_PATH}/withdraw",
    "Propose to withdraw a build",
    permission=Permission.ROLLOUT,
    request=Withdraw,
)
async def withdraw_release(call: Call) -> Reply:
    """Propose to withdraw a build, or one of its incrementals, permanently.

    The answer is always `409 needs-signature`, with the proposal for the holders of offline keys.
    """
    return await _propose(call)


@OPERATIONS.on(
    f"POST {_PATH}/promote",
    "Propose to promote a build",
    permission=Permission.ROLLOUT,
    request=Promote,
)
async def promote_release(call: Call) -> Reply:
    """Propose to list a build of this channel also in another channel of the region.

    The answer is always `409 needs-signature`, with the proposal for the holders of offline keys.
    """
    return await _propose(call)


async def _view(call: Call, permission: Permission = Permission.READ) -> ChannelView:
    path = call.path
    call.caller.check(permission, path["codename"])
    channel = decode_channel(f"{path['codename']}/{path['region']}/{path['channel']}")
    return await call.services.rollouts.view(channel)


async def _newest_view(call: Call) -> ChannelView:
    """Return the view after updating this node's copy: another node may have published just now.

    Halts do not use this, so as not to wait for the shared store: `Rollouts.request` updates the
    copy only if it would refuse the halt.
    """
    call.caller.check(Permission.ROLLOUT, call.path["codename"])
    await call.services.rollouts.follow()
    return await _view(call, Permission.ROLLOUT)


async def _give_command(call: Call, view: ChannelView, command: Command) -> Reply:
    rollouts, body = call.services.rollouts, call.body
    tag = ANY
    if not isinstance(command, Halt):
        call.check_match(view.etag)
        tag = call.headers["If-Match"]
    request = ChangeRequest(view.channel, command, tag, body.note)
    due_at = None if isinstance(command, Halt) else body.due_at
    if body.dry_run:
        result = await rollouts.preview(request, due_at=due_at)
        state = _show(view, call.services.epoch())
        return Reply(CommandResult(state, None, result), headers={"ETag": view.etag})
    (change,) = await rollouts.request(call.caller, [request], due_at=due_at)
    after = await rollouts.view(view.channel)
    state = _show(after, call.services.epoch())
    lost = explain_unrecorded(request, change, state.reason)
    share = errors.Share.REWORDINGS if lost else None
    return Reply(
        CommandResult(state, change, None, lost), headers={"ETag": after.etag}, share=share
    )


async def _propose(call: Call) -> Reply:
    view = await _newest_view(call)
    public, now = call.services.folder.public, call.services.clock()
    proposed = await asyncio.to_thread(propose_for_channel, call.body, view.channel, public, now)
    raise needs_signature(proposed)


def _list(
    principal: Principal, published: Published | None, after: str, limit: int, now: int
) -> list[ChannelState]:
    """Return the states of up to `limit` channels after the name `after`.

    Releases are not decoded, only their paths: decoding those of a whole site takes half a second.
    """
    if published is None:
        return []
    pointers = published.pointers()
    names = set(map(decode_pointer_path, pointers))
    for name, role in published.roles.items():
        if is_codename(name):
            names |= {decode_release_path(path)[0] for path in role.targets}
    allowed = [
        channel
        for channel in names
        if principal.is_allowed(Permission.READ, channel.codename) and str(channel) > after
    ]
    states, build_names = [], BuildNames(published.roles)
    for channel in sorted(allowed, key=str)[:limit]:
        pointer = pointers.get(channel.pointer_path)
        etag = channel_etag(pointer, published.roles[channel.codename].version)
        states.append(_describe(channel, pointer, etag, now, build_names))
    return states


def _show(view: ChannelView, now: int) -> ChannelState:
    return _describe(view.channel, view.pointer, view.etag, now, view.names)


def _describe(
    channel: Channel, pointer: Pointer | None, etag: str, now: int, names: BuildNames
) -> ChannelState:
    counter = 0 if pointer is None else pointer.steps[-1].counter
    newest = names.find_newest(channel)
    newer = newest if newest is not None and newest.counter > counter else None
    if pointer is None:
        return ChannelState(str(channel), "empty", 0, 0, [], [], {}, etag, newer=newer)
    return ChannelState(
        channel=str(channel),
        state=describe_state(pointer),
        counter=counter,
        permille=pointer.permille_at(now),
        schedule=[Share(start, permille) for start, permille in pointer.schedule],
        steps=[step.counter for step in pointer.steps],
        reason=dict(pointer.reason),
        etag=etag,
        build=names.find(channel, counter),
        newer=newer,
    )
