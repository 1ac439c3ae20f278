"""Rotate an account's key: replace the wrapped keys of all its collections in one transaction.

A lost device knows the old keys, so the owner's device makes new ones. The server accepts all of
them or none, since a collection left out could never be decrypted again. If a shared collection
gets a new key of its own, its other members are invited again, in the way Etebase clients know.
"""

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.errors import CloudError
from server.cloud.records import wire
from server.cloud.records.access import READ, SHARE, note_change, note_for
from server.cloud.storage.models import Account, Collection, Invitation, Member


class NewMember(msgspec.Struct):
    """A collection's new key, encrypted to the public key of the member `username`.

    `uid` is that of the new invitation.
    """

    uid: wire.Uid
    username: str
    key: wire.Key


class Rewrapped(msgspec.Struct):
    """A collection's key and type, encrypted with the account's new key.

    `members` lists all other members if the collection's own key was replaced, else it is empty.
    """

    uid: wire.Uid
    key: wire.Key
    type: wire.Type
    members: list[NewMember] = []


async def rotate_wraps(
    db: AsyncSession,
    account: str,
    locked: Sequence[tuple[int, str, int]],
    wraps: Sequence[Rewrapped],
    accounts: Mapping[str, str],
) -> None:
    """Replace the wrapped keys of an account's collections; raises CloudError unless complete.

    `locked` is the result of `lock_collections`. `accounts` holds the members' accounts by name.
    """
    found = {uid: (number, access) for number, uid, access in locked}
    given = {wrap.uid: wrap for wrap in wraps}
    if given.keys() != found.keys() or len(given) != len(wraps):
        raise _refuse_others()
    for uid, (number, access) in found.items():
        wrap = given[uid]
        is_own = (Member.collection == number) & (Member.account == account)
        await db.execute(update(Member).where(is_own).values(key=wrap.key, type=wrap.type))
        if wrap.members:
            await _invite_anew(db, account, number, access, wrap, accounts)
        else:
            await note_for(db, number, account)


async def withdraw_invitations(db: AsyncSession, account: str) -> None:
    """Remove the invitations to an account, as they are encrypted to its former key."""
    await db.execute(delete(Invitation).where(Invitation.invited == account))


async def lock_collections(db: AsyncSession, account: str) -> Sequence[tuple[int, str, int]]:
    """Lock an account's collections, then the accounts of all their members, as writers do.

    Returns the id, uid and the account's access level of each. Raises CloudError if a collection
    was added before the account was locked: locking that one now could deadlock.
    """
    query = (
        select(Collection.id, Collection.uid, Member.access)
        .join(Member, Member.collection == Collection.id)
        .where(Member.account == account, Member.ended.is_(False))
        .order_by(Collection.id)
    )
    rows = (await db.execute(query.with_for_update(of=Collection))).all()
    members = select(Member.account).where(Member.collection.in_([row.id for row in rows]))
    accounts = select(Account.id).where(Account.id.in_(members) | (Account.id == account))
    await db.execute(accounts.order_by(Account.id).with_for_update())
    if (await db.execute(query)).all() != rows:
        raise _refuse_others()
    return [(row.id, row.uid, row.access) for row in rows]


def _refuse_others() -> CloudError:
    sentence = "these are not exactly the account's collections; list them, and try again."
    return CloudError(409, "collections_differ", sentence)


async def _invite_anew(
    db: AsyncSession,
    account: str,
    number: int,
    access: int,
    wrap: Rewrapped,
    accounts: Mapping[str, str],
) -> None:
    if access != SHARE:
        raise CloudError(403, "admin_access_required", "only a member with all rights may do this.")
    query = select(Member.id, Member.account, Member.access).where(
        Member.collection == number, Member.account != account, Member.ended.is_(False)
    )
    others = {row.account: row for row in (await db.execute(query)).all()}
    if sorted(others) != sorted(accounts[member.username] for member in wrap.members):
        raise CloudError(
            409, "members_differ", f"these are not all members of {wrap.uid}; list them, and retry."
        )
    sequence = await db.scalar(select(Collection.sequence).where(Collection.id == number))
    await note_change(db, number, (sequence or 0) + 1)
    await db.execute(delete(Invitation).where(Invitation.collection == number))
    for member in wrap.members:
        other = others[accounts[member.username]]
        ended = update(Member).where(Member.id == other.id)
        await db.execute(ended.values(ended=True, access=READ))
        await db.execute(
            insert(Invitation).values(
                uid=member.uid,
                collection=number,
                inviting=account,
                invited=other.account,
                version=1,
                access=other.access,
                key=member.key,
            )
        )
