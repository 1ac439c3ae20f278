"""Access rights to a collection, its locks, and the counters that each change increments."""

from dataclasses import dataclass
from typing import cast

from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.accounts.owners import CLOSED, charge
from server.cloud.errors import CloudError, not_found
from server.cloud.storage.bulk import change_rows
from server.cloud.storage.models import Account, Collection, Member

READ, SHARE, WRITE = 0, 1, 2
"""Access levels of a member, as the protocol numbers them. `SHARE` includes `WRITE`."""
# Every write runs these statements. Prebuilt on tables, they take a third of the ORM's time.
_ACCOUNTS, _COLLECTIONS, _MEMBERS = (
    cast("Table", model.__table__) for model in (Account, Collection, Member)
)
_IS_MEMBER = (_MEMBERS.c.collection == bindparam("place")) & _MEMBERS.c.ended.is_(False)
_FIND = (
    select(
        _COLLECTIONS.c.id,
        _COLLECTIONS.c.uid,
        _COLLECTIONS.c.owner,
        _COLLECTIONS.c.sequence,
        _MEMBERS.c.access,
    )
    .join(_MEMBERS, _MEMBERS.c.collection == _COLLECTIONS.c.id)
    .where(
        _COLLECTIONS.c.uid == bindparam("uid"),
        _MEMBERS.c.account == bindparam("account"),
        _MEMBERS.c.ended.is_(False),
    )
)
_LOCK = _FIND.with_for_update(of=_COLLECTIONS)
_CHANGES = select(Account.changes).where(Account.id == Member.account).scalar_subquery()
_SET_SEQUENCE = (
    update(_COLLECTIONS)
    .where(_COLLECTIONS.c.id == bindparam("place"))
    .values(sequence=bindparam("to"))
)
_COUNT_CHANGE = (
    update(_ACCOUNTS)
    .where(_ACCOUNTS.c.id.in_(select(_MEMBERS.c.account).where(_IS_MEMBER)))
    .values(changes=_ACCOUNTS.c.changes + 1)
)
_NOTE_CHANGE = update(_MEMBERS).where(_IS_MEMBER).values(change=_CHANGES)


@dataclass(frozen=True, slots=True)
class Place:
    """A collection's row, with one member's access level."""

    id: int
    uid: str
    owner: str
    sequence: int
    access: int

    def check_may_write(self) -> None:
        """Raise CloudError unless the member may change items."""
        if self.access not in {SHARE, WRITE}:
            raise CloudError(403, "no_write_access", "your access to this collection is read-only.")

    def check_may_share(self) -> None:
        """Raise CloudError unless the member may manage members and invitations."""
        if self.access != SHARE:
            raise CloudError(
                403, "admin_access_required", "only a member with all rights may do this."
            )


async def find_place(db: AsyncSession, account: str, uid: str, *, is_locked: bool = False) -> Place:
    """Return the collection `uid`; raises CloudError unless `account` is a member.

    With `is_locked`, no other transaction can change the collection until this one ends.
    """
    connection, query = await db.connection(), _LOCK if is_locked else _FIND
    row = (await connection.execute(query, {"uid": uid, "account": account})).one_or_none()
    if row is None:
        raise not_found("collection")
    if is_locked:
        await lock_accounts(db, row.id, row.owner)
    return Place(*row)


async def lock_accounts(db: AsyncSession, collection: int, *more: str) -> None:
    """Lock the accounts of a locked collection's members, and those in `more`.

    Locks all of them in one statement, in the order of their ids, so that writers cannot deadlock.
    SQLite needs no lock, as it runs one write transaction at a time.
    """
    if db.get_bind().dialect.name == "sqlite":
        return
    members = select(Member.account).where(Member.collection == collection, Member.ended.is_(False))
    query = select(Account.id).where(Account.id.in_(members) | Account.id.in_(more))
    await db.execute(query.order_by(Account.id).with_for_update())


async def charge_owner(db: AsyncSession, place: Place, added: int) -> None:
    """Add bytes to the usage of a locked collection's owner; raises CloudError above the quota.

    If the owner's account is being erased, the error says that the collection does not exist.
    Members must not get the owner's "not logged in" error.
    """
    try:
        await charge(db, place.owner, added)
    except CloudError as error:
        if error.code != CLOSED:
            raise
        raise not_found("collection") from error


async def note_change(db: AsyncSession, collection: int, sequence: int) -> None:
    """Set a locked collection's sequence, and mark the collection as changed for each member."""
    connection, values = await db.connection(), {"place": collection, "to": sequence}
    for statement in (_SET_SEQUENCE, _COUNT_CHANGE, _NOTE_CHANGE):
        await change_rows(connection, statement, values)


async def note_for(db: AsyncSession, collection: int, *accounts: str) -> None:
    """Mark a collection as changed for each of `accounts`, which must be locked."""
    await db.execute(
        update(Account).where(Account.id.in_(accounts)).values(changes=Account.changes + 1)
    )
    await db.execute(
        update(Member)
        .where(Member.collection == collection, Member.account.in_(accounts))
        .values(change=_CHANGES)
        .execution_options(synchronize_session=False)
    )
