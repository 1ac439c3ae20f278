"""Changes: every command, its result, and those that wait."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from server.core.names import decode_channel
from server.release.api.address import PREFIX
from server.release.api.operation import URGENT_BODY_LIMIT, Call, Operation, Reply
from server.release.api.pagination import Page, PageQuery, decode_cursor, make_page
from server.release.auth.principal import Permission
from server.release.rollouts.changes import ChangeView
from server.release.rollouts.ledger import REASON_LIMIT

_PATH = f"{PREFIX}/changes/{{change}}"


class ChangesQuery(PageQuery, frozen=True):
    """Which changes."""

    state: Literal["", "waiting", "approved", "done", "refused", "rejected", "cancelled"] = ""
    channel: Annotated[str, msgspec.Meta(max_length=66)] = ""
    """CODENAME/REGION/CHANNEL; empty: all."""


class Why(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reason for ending a change."""

    reason: Annotated[str, msgspec.Meta(max_length=REASON_LIMIT)] = ""
    """For the record: plain text without links."""


async def list_changes(call: Call) -> Reply:
    """List the changes of your models, the newest first."""
    query = call.query
    if query.channel:
        decode_channel(query.channel)
    found = await call.services.require_rollouts().find(
        state=query.state,
        channel=query.channel,
        codenames=call.who.codenames,
        before=str(decode_cursor(query.cursor, str) or ""),
        limit=query.limit + 1,
    )
    return Reply(make_page(call, found, lambda change: change.id, lambda change: change))


async def get_change(call: Call) -> Reply:
    """Return a change: its command, and its result."""
    change = await call.services.require_rollouts().get(call.path["change"])
    call.who.check(Permission.READ, decode_channel(change.channel).codename)
    return Reply(change)


async def approve_change(call: Call) -> Reply:
    """Approve another account's change; a due one is carried out immediately.

    The answer has its state: `refused` if it does not fit any more.
    """
    rollouts = call.services.require_rollouts()
    return Reply(await rollouts.approve(call.who, call.path["change"]))


async def reject_change(call: Call) -> Reply:
    """Reject a change that waits for approval."""
    rollouts = call.services.require_rollouts()
    return Reply(await rollouts.reject(call.who, call.path["change"], call.body.reason))


async def cancel_change(call: Call) -> Reply:
    """Cancel a change that has not begun: with `rollout` your own, with `approve` any."""
    rollouts = call.services.require_rollouts()
    return Reply(await rollouts.cancel(call.who, call.path["change"], call.body.reason))


async def _show_again(call: Call, _entry: Mapping[str, Any]) -> Reply:
    """Answer the present state of a change that was approved, rejected or cancelled."""
    return await get_change(call)


async def _approve_again(call: Call, _entry: Mapping[str, Any]) -> Reply:
    """Answer an approved change; if due, it is carried out first."""
    rollouts = call.services.require_rollouts()
    return Reply(await rollouts.complete(call.who, call.path["change"]))


OPERATIONS = (
    Operation(
        method="GET",
        path=f"{PREFIX}/changes",
        permission=Permission.READ,
        summary="List changes",
        handler=list_changes,
        query=ChangesQuery,
        response=Page[ChangeView],
    ),
    Operation(
        method="GET",
        path=_PATH,
        permission=Permission.READ,
        summary="Show a change",
        handler=get_change,
        response=ChangeView,
    ),
    Operation(
        method="POST",
        path=f"{_PATH}/approve",
        permission=Permission.APPROVE,
        summary="Approve a change",
        handler=approve_change,
        again=_approve_again,
        response=ChangeView,
        errors=(409,),
    ),
    Operation(
        method="POST",
        path=f"{_PATH}/reject",
        permission=Permission.APPROVE,
        summary="Reject a change",
        handler=reject_change,
        stops=True,
        again=_show_again,
        request=Why,
        response=ChangeView,
        errors=(409,),
    ),
    Operation(
        method="POST",
        path=f"{_PATH}/cancel",
        permission=None,
        summary="Cancel a change",
        handler=cancel_change,
        limit=URGENT_BODY_LIMIT,
        stops=True,
        again=_show_again,
        request=Why,
        response=ChangeView,
        errors=(403, 409),
        urgent=True,
    ),
)
