"""Conditions under which a change may be carried out: its build, and its accounts' rights.

While a change waits for its time or an approval, other changes may be made to the same channel. So
a change is bound to the state that its author saw. A halt is not bound, since it takes precedence.
"""

from collections.abc import Callable

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.core.names import Channel, decode_channel
from server.core.pointer import Pointer
from server.release.auth.accounts import account_codenames
from server.release.auth.audit_log import describe
from server.release.auth.principal import ROLE_PERMISSIONS, Permission, Principal, Role
from server.release.checks import ReplayedState, differences
from server.release.errors import ConflictError
from server.release.rollouts.commands import RAISING, Command, Halt, Resume, hash_pointer
from server.storage.models import Account, AuditLogEntry, Change


class BoundState(msgspec.Struct, frozen=True):
    """The state of a channel when a command was given.

    `counter`: of the offered build, 0 for none. `pause`: the hash of the pointer if it was paused,
    else empty. `halted`: whether the channel was halted.
    """

    counter: int = 0
    pause: str = ""
    halted: bool = False


def bind_state(pointer: Pointer | None) -> BoundState:
    """Return the state to which a command is bound if `pointer` is public when it is given."""
    if pointer is None:
        return BoundState()
    pause = hash_pointer(pointer) if pointer.paused else ""
    return BoundState(pointer.steps[-1].counter, pause, pointer.halted)


def check_bound_state(
    command: Command,
    seen: BoundState,
    channel: Channel,
    pointer: Pointer | None,
    name: Callable[[int], str] = "build {}".format,
) -> None:
    """Raise ConflictError if the channel has changed since `command` was given.

    Every command except a halt requires the same build. Commands that admit phones also fail after
    a later halt or pause, and a resume fails if the pause that it was for has changed. `name`
    returns a build's name.
    """
    now = bind_state(pointer)
    if isinstance(command, Halt):
        return
    if now.counter != seen.counter:
        raise ConflictError(
            f"this command was given while {channel} offered {_build(seen, name)}, and now it"
            f" offers {_build(now, name)}: give it again if it is still wanted."
        )
    if not isinstance(command, RAISING):
        return
    if now.halted and not seen.halted:
        raise ConflictError(
            f"{channel} was halted after this command was given: give it again if it is still"
            " wanted."
        )
    if now.pause != seen.pause and (now.pause or isinstance(command, Resume)):
        raise ConflictError(
            f"{channel} was paused after this command was given: give it again when the pause is"
            " over."
        )


async def check_rights(session: AsyncSession, change: Change) -> None:
    """Raise ConflictError unless proposer and approver of a change still have their rights."""
    needed = Permission.HALT if change.action == "halt" else Permission.ROLLOUT
    await _check_right(session, change, change.proposed_by, needed, "proposed")
    if change.approved_by is not None:
        await _check_right(session, change, change.approved_by, Permission.APPROVE, "approved")


async def _check_right(
    session: AsyncSession, change: Change, name: str, permission: Permission, step: str
) -> None:
    if ":" in name:  # a command on the server: its user has access to the state folder
        return
    account = await session.get(Account, name, populate_existing=True)
    if account is not None and account.disabled_at is None:
        role = Role(account.role)
        codenames = account_codenames(account)
        principal = Principal(name, role, ROLE_PERMISSIONS[role], codenames)
        if principal.is_allowed(permission, decode_channel(change.subject).codename):
            return
    raise ConflictError(
        f"{name}, who {step} this, does not have the right any more: give the command again."
    )


def _build(seen: BoundState, name: Callable[[int], str]) -> str:
    return name(seen.counter) if seen.counter else "nothing"


async def check_recorded(session: AsyncSession, change: Change) -> None:
    """Raise ConflictError if a row was created, altered or approved without the audit log.

    An attacker with write access to the database can also add audit log entries, but these stay
    visible.
    """
    expected = ReplayedState()
    query = (
        select(AuditLogEntry)
        .where(
            AuditLogEntry.subject == change.subject,
            AuditLogEntry.detail.contains(f'"change":"{change.id}"', autoescape=True),
        )
        .order_by(AuditLogEntry.index)
    )
    for entry in await session.scalars(query):
        expected.add(describe(entry))
    known = expected.changes.get(change.id)
    differing = "no entry in it" if known is None else differences(change, known)
    if differing:
        raise ConflictError(
            f"the change {change.id} is not the one in the audit log ({differing}): the database"
            " was edited by hand. Run `hening-server check`, and give the command again."
        )
