"""Conditions of a change when it is carried out: its build, and the rights of its people.

A change may wait for its time or for an approval. Meanwhile others work on the same channel, so it
is bound to the state that its author saw. A halt is bound to nothing: it takes precedence.
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


class Seen(msgspec.Struct, frozen=True):
    """The state of a channel when a command was given.

    The counter of the offered build, 0 for none; the hash of a paused pointer, or an empty text;
    whether it was halted.
    """

    counter: int = 0
    pause: str = ""
    halted: bool = False


def see(pointer: Pointer | None) -> Seen:
    """Return the binding of a command that is given while `pointer` is published."""
    if pointer is None:
        return Seen()
    pause = hash_pointer(pointer) if pointer.paused else ""
    return Seen(pointer.steps[-1].counter, pause, pointer.halted)


def check_seen(
    command: Command,
    seen: Seen,
    channel: Channel,
    pointer: Pointer | None,
    name: Callable[[int], str] = "build {}".format,
) -> None:
    """Raise ConflictError where `command` was for another build, or from before a pause.

    Commands that admit phones are bound to the very pause that the author saw, and invalid after a
    halt. `name` returns a build's name.
    """
    now = see(pointer)
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
    """Raise ConflictError unless proposer and approver of a waiting change still have the right."""
    needed = Permission.HALT if change.action == "halt" else Permission.ROLLOUT
    await _check_right(session, change, change.proposed_by, needed, "proposed")
    if change.approved_by is not None:
        await _check_right(session, change, change.approved_by, Permission.APPROVE, "approved")


async def _check_right(
    session: AsyncSession, change: Change, name: str, permission: Permission, did: str
) -> None:
    if ":" in name:  # a command on the server: its user could write to the state folder anyway
        return
    account = await session.get(Account, name, populate_existing=True)
    if account is not None and account.disabled_at is None:
        role = Role(account.role)
        codenames = account_codenames(account)
        who = Principal(name, role, ROLE_PERMISSIONS[role], codenames)
        if who.is_allowed(permission, decode_channel(change.subject).codename):
            return
    raise ConflictError(
        f"{name}, who {did} this, has no right to it any more: give the command again."
    )


def _build(seen: Seen, name: Callable[[int], str]) -> str:
    return name(seen.counter) if seen.counter else "nothing"


async def check_recorded(session: AsyncSession, change: Change) -> None:
    """Raise ConflictError for a row that was created, altered or approved without the audit log.

    An attacker who can write to the database can write to the audit log, too; but such an entry
    stays there for ever.
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
