"""What an order has to find when it is carried out: the build it was meant for, and its people.

An order may wait for its time or for a second person. Meanwhile others work on the same channel, so
that it is bound to what its author saw. Halting is bound to nothing: it wins over everything.
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
from server.release.checks.check import differences
from server.release.checks.replay import Told
from server.release.errors import ConflictError
from server.release.rollouts.commands import RAISING, Halt, Order, Resume
from server.release.rollouts.etag import hash_pointer
from server.storage.control_models import Account, AuditLogEntry, Change


class Seen(msgspec.Struct, frozen=True):
    """What a channel showed when an order was given.

    The counter of the build that it offered, 0 for none; the hash of a pointer that was paused, or
    an empty text; whether it was halted.
    """

    counter: int = 0
    pause: str = ""
    halted: bool = False


def see(pointer: Pointer | None) -> Seen:
    """Return what an order is bound to that is given while `pointer` is published."""
    if pointer is None:
        return Seen()
    pause = hash_pointer(pointer) if pointer.paused else ""
    return Seen(pointer.steps[-1].counter, pause, pointer.halted)


def check_seen(
    order: Order,
    seen: Seen,
    channel: Channel,
    pointer: Pointer | None,
    name: Callable[[int], str] = "build {}".format,
) -> None:
    """Raise ConflictError where `order` was meant for another build, or from before a pause.

    What lets phones in is for the very pause that its author saw, and not from before a halt.
    `name` gives what people know a build by.
    """
    now = see(pointer)
    if isinstance(order, Halt):
        return
    if now.counter != seen.counter:
        raise ConflictError(
            f"this was ordered while {channel} offered {_build(seen, name)}, and now it offers"
            f" {_build(now, name)}: order it again if it is still wanted."
        )
    if not isinstance(order, RAISING):
        return
    if now.halted and not seen.halted:
        raise ConflictError(
            f"{channel} was halted after this was ordered: order it again if it is still wanted."
        )
    if now.pause != seen.pause and (now.pause or isinstance(order, Resume)):
        raise ConflictError(
            f"{channel} was paused after this was ordered: order it again when the pause is over."
        )


async def check_people(session: AsyncSession, change: Change) -> None:
    """Raise ConflictError unless those who ordered and approved what waited may still do so."""
    needed = Permission.HALT if change.action == "halt" else Permission.ROLLOUT
    await _check_person(session, change, change.proposed_by, needed, "ordered")
    if change.approved_by is not None:
        await _check_person(session, change, change.approved_by, Permission.APPROVE, "approved")


async def _check_person(
    session: AsyncSession, change: Change, name: str, permission: Permission, did: str
) -> None:
    if ":" in name:  # a command on the server: whoever ran it could write the state folder
        return
    account = await session.get(Account, name, populate_existing=True)
    if account is not None and account.disabled_at is None:
        role = Role(account.role)
        codenames = account_codenames(account)
        who = Principal(name, role, ROLE_PERMISSIONS[role], codenames)
        if who.is_allowed(permission, decode_channel(change.subject).codename):
            return
    raise ConflictError(f"{name}, who {did} this, may not any more: order it again.")


def _build(seen: Seen, name: Callable[[int], str]) -> str:
    return name(seen.counter) if seen.counter else "nothing"


async def check_recorded(session: AsyncSession, change: Change) -> None:
    """Raise ConflictError for a row that was made, altered or approved beside the audit log.

    Whoever writes to the database can write to the audit log, too; but then it says so for ever.
    """
    told = Told()
    query = (
        select(AuditLogEntry)
        .where(
            AuditLogEntry.subject == change.subject,
            AuditLogEntry.detail.contains(f'"change":"{change.id}"', autoescape=True),
        )
        .order_by(AuditLogEntry.index)
    )
    for entry in await session.scalars(query):
        told.add(describe(entry))
    known = told.changes.get(change.id)
    differing = "no entry in it" if known is None else differences(change, known)
    if differing:
        raise ConflictError(
            f"the change {change.id} is not the one in the audit log ({differing}): somebody"
            " wrote to the database by hand. Run `hening-server check`, and give the order again."
        )
