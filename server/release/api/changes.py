"""Changes: all commands with their results, and the approval of those that wait."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from server.core.names import decode_channel
from server.release.api.operation import URGENT_BODY_LIMIT, Call, Operations, Reply
from server.release.api.pagination import Page, PageQuery, decode_cursor, make_page
from server.release.auth.principal import Permission
from server.release.rollouts.changes import ChangeView
from server.release.rollouts.ledger import REASON_LIMIT

OPERATIONS = Operations(permission=Permission.READ)


class ChangesQuery(PageQuery, frozen=True):
    """The page and the filter of changes."""

    state: Literal["", "waiting", "approved", "done", "refused", "rejected", "cancelled"] = ""
    channel: Annotated[str, msgspec.Meta(max_length=66)] = ""
    """CODENAME/REGION/CHANNEL; empty: all channels."""


class Why(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reason for ending a change."""

    reason: Annotated[str, msgspec.Meta(max_length=REASON_LIMIT)] = ""
    """For the audit log: plain text without links."""


async def _show_again(call: Call, _entry: Mapping[str, Any]) -> Reply:
    """Answer with the present state of a change that was rejected or cancelled."""
    return await get_change(call)


async def _approve_again(call: Call, _entry: Mapping[str, Any]) -> Reply:
    """Answer with an approved change, after carrying it out if it is due."""
    return Reply(await call.services.rollouts.complete(call.caller, call.path["change"]))


@OPERATIONS.on("GET /changes", "List changes", query=ChangesQuery, response=Page[ChangeView])
async def list_changes(call: Call) -> Reply:
    """List the changes of your models, newest first."""
    query = call.query
    if query.channel:
        decode_channel(query.channel)
    found = await call.services.rollouts.find(
        state=query.state,
        channel=query.channel,
        codenames=call.caller.codenames,
        before=decode_cursor(query.cursor, str) or "",
        limit=query.limit + 1,
    )
    return Reply(make_page(call, found, lambda change: change.id, lambda change: change))


@OPERATIONS.on("GET /changes/{change}", "Show a change", response=ChangeView)
async def get_change(call: Call) -> Reply:
    """Return a change with its command and its result."""
    change = await call.services.rollouts.get(call.path["change"])
    call.caller.check(Permission.READ, decode_channel(change.channel).codename)
    return Reply(change)


@OPERATIONS.on(
    "POST /changes/{change}/approve",
    "Approve a change",
    permission=Permission.APPROVE,
    again=_approve_again,
    response=ChangeView,
)
async def approve_change(call: Call) -> Reply:
    """Approve another account's change; if it is due, it is carried out immediately.

    Check the state in the answer: it is `refused` if the change does not fit any more.
    """
    return Reply(await call.services.rollouts.approve(call.caller, call.path["change"]))


@OPERATIONS.on(
    "POST /changes/{change}/reject",
    "Reject a change",
    permission=Permission.APPROVE,
    stops=True,
    again=_show_again,
    request=Why,
    response=ChangeView,
)
async def reject_change(call: Call) -> Reply:
    """Reject a change that waits for approval."""
    rollouts = call.services.rollouts
    return Reply(await rollouts.reject(call.caller, call.path["change"], call.body.reason))


@OPERATIONS.on(
    "POST /changes/{change}/cancel",
    "Cancel a change",
    permission=None,
    limit=URGENT_BODY_LIMIT,
    stops=True,
    again=_show_again,
    request=Why,
    response=ChangeView,
    errors=(403,),
    urgent=True,
)
async def cancel_change(call: Call) -> Reply:
    """Cancel a change that has not begun: your own with `rollout`, any with `approve`."""
    rollouts = call.services.rollouts
    return Reply(await rollouts.cancel(call.caller, call.path["change"], call.body.reason))
