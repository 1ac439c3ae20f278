"""The pages of changes: a list, one change with its result, and approve, reject and cancel."""

from server.console.page import PREFIX, Page, PageContent, Redirect, Visit
from server.console.texts import describe_windows, plan_of
from server.core.names import decode_channel
from server.release.auth.principal import Permission, Principal
from server.release.auth.two_person_approval import check_approver
from server.release.errors import PermissionDeniedError
from server.release.rollouts.changes import ChangeView, State

_PATH = f"{PREFIX}/orders/{{change}}"


async def list_changes(visit: Visit) -> PageContent:
    """Show changes, newest first."""
    page = await visit.at.do("list_changes", query=visit.query)
    values = {
        "changes": page.items,
        "next": page.next,
        "state": visit.query.get("state", ""),
        "states": [state.value for state in State],
    }
    return PageContent("changes.html", values)


async def show_change(visit: Visit) -> PageContent:
    """Show one change, with the actions that the account may take."""
    change = await visit.at.do("get_change", visit.path)
    rights = _rights(visit.at.principal, change)
    why_not = await find_objection(visit, change) if rights["may_approve"] else ""
    values = {
        "change": change,
        "windows": describe_windows(plan_of(change)),
        **rights,
        "may_approve": rights["may_approve"] and not why_not,
        "why_not": why_not,
    }
    return PageContent("change.html", values)


async def approve(visit: Visit) -> Redirect:
    """Approve another account's change."""
    return await _decide(visit, "approve_change")


async def reject(visit: Visit) -> Redirect:
    """Reject a change, with a reason."""
    return await _decide(visit, "reject_change")


async def cancel(visit: Visit) -> Redirect:
    """Cancel a change that is not carried out yet."""
    return await _decide(visit, "cancel_change")


async def _decide(visit: Visit, operation: str) -> Redirect:
    reason = visit.form.get("reason", "")
    body = {} if operation == "approve_change" else {"reason": reason}
    await visit.at.do(operation, visit.path, body=body)
    return Redirect(f"{PREFIX}/orders/{visit.path['change']}")


async def find_objection(visit: Visit, change: ChangeView) -> str:
    """Return why the signed-in account may not approve a change; an empty text if it may."""
    try:
        async with visit.services.sessions() as session:
            await check_approver(session, visit.at.principal, change.proposed_by)
    except PermissionDeniedError as error:
        return str(error)
    return ""


def _rights(principal: Principal, change: ChangeView) -> dict[str, bool]:
    """Return which buttons are shown; the API checks the rights when one is pressed."""
    codename = decode_channel(change.channel).codename
    is_own = principal.name == change.proposed_by
    is_waiting = change.state == State.WAITING
    is_open = change.state in {State.WAITING, State.APPROVED}
    may_approve = principal.is_allowed(Permission.APPROVE, codename)
    may_cancel = principal.is_allowed(Permission.ROLLOUT, codename) if is_own else may_approve
    return {
        "may_approve": is_waiting and may_approve and not is_own,
        "may_reject": is_waiting and may_approve,
        "may_cancel": is_open and may_cancel,
        "is_own": is_own,
    }


PAGES = (
    Page("GET", f"{PREFIX}/orders", list_changes),
    Page("GET", _PATH, show_change),
    Page("POST", f"{_PATH}/approve", approve),
    Page("POST", f"{_PATH}/reject", reject),
    Page("POST", f"{_PATH}/cancel", cancel, is_urgent=True),
)
