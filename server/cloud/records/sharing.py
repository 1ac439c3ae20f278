"""Members of a collection, and invitations to become a member.

The inviting client encrypts the collection's key to the public key of the invited account. The
server passes the encrypted key on and cannot decrypt it.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from server.cloud.errors import CloudError, not_found
from server.cloud.records import wire
from server.cloud.records.access import READ, SHARE, Place, lock_accounts, note_change, note_for
from server.cloud.secrets import Secrets
from server.cloud.storage.models import Account, Collection, Invitation, Member

_Inviting, _Invited = aliased(Account), aliased(Account)


@dataclass(frozen=True, slots=True)
class Sharing:
    """Reads and changes memberships and invitations for `account` in the session `db`."""

    db: AsyncSession
    secrets: Secrets
    account: str

    async def find_profile(self, name: str) -> wire.Profile:
        """Return an account's public key by name or email address; raises CloudError if unknown."""
        found = await self._find_account(name)
        return wire.Profile(found.public_key)

    async def list_members(self, place: Place, iterator: str | None, limit: int) -> wire.MemberList:
        """Return the members of a collection, in the order in which they joined."""
        place.check_may_share()
        query = (
            select(Member.id, Account.id.label("account"), Account.name, Member.access)
            .join(Account, Account.id == Member.account)
            .where(Member.collection == place.id, Member.ended.is_(False))
            .where(Member.id > _read_number(iterator))
            .order_by(Member.id)
        )
        rows = (await self.db.execute(query.limit(limit + 1))).all()
        data = [wire.Member(self._name(row.account, row.name), row.access) for row in rows[:limit]]
        last = str(rows[:limit][-1].id) if data else None
        return wire.MemberList(data, last, done=len(rows) <= limit)

    async def change_access(self, place: Place, name: str, access: int) -> None:
        """Change a member's access level; the collection must be locked."""
        place.check_may_share()
        member = await self._find_member(place, name)
        if access != SHARE:
            await self._check_not_last(place, member)
        await self.db.execute(update(Member).where(Member.id == member.id).values(access=access))
        await note_change(self.db, place.id, place.sequence + 1)

    async def remove_member(self, place: Place, name: str) -> None:
        """End a member's membership; the collection must be locked."""
        place.check_may_share()
        await self._end(place, await self._find_member(place, name))

    async def leave(self, place: Place) -> None:
        """End the account's own membership; the collection must be locked."""
        query = select(Member.id, Member.account, Member.access).where(
            Member.collection == place.id, Member.account == self.account
        )
        await self._end(place, (await self.db.execute(query)).one())

    async def list_invitations(
        self, *, is_incoming: bool, iterator: str | None, limit: int
    ) -> wire.InvitationList:
        """Return the invitations that the account received or sent, oldest first."""
        column = Invitation.invited if is_incoming else Invitation.inviting
        query = _invitations().where(column == self.account).order_by(Invitation.id)
        query = query.where(Invitation.id > _read_number(iterator))
        rows = (await self.db.execute(query.limit(limit + 1))).all()
        data = [self._to_invitation(row, is_incoming=is_incoming) for row in rows[:limit]]
        last = str(rows[:limit][-1].id) if data else None
        return wire.InvitationList(data, last, done=len(rows) <= limit)

    async def find_invitation(self, uid: str) -> wire.Invitation:
        """Return an invitation to the account; raises CloudError if there is none."""
        query = _invitations().where(Invitation.uid == uid, Invitation.invited == self.account)
        row = (await self.db.execute(query)).one_or_none()
        if row is None:
            raise not_found("invitation")
        return self._to_invitation(row, is_incoming=True)

    async def invite(self, place: Place, invitation: wire.Invitation) -> None:
        """Invite another account to a collection, which must be locked."""
        place.check_may_share()
        invited = await self._find_account(invitation.username)
        if invited.id == self.account:
            raise CloudError(400, "no_self_invite", "you are a member of this collection already.")
        is_there = select(Invitation.id).where(
            (Invitation.uid == invitation.uid)
            | ((Invitation.collection == place.id) & (Invitation.invited == invited.id))
        )
        if (await self.db.execute(is_there)).first() is not None:
            raise CloudError(409, "invitation_exists", "this account is invited already.")
        await self.db.execute(
            insert(Invitation).values(
                uid=invitation.uid,
                collection=place.id,
                inviting=self.account,
                invited=invited.id,
                version=invitation.version,
                access=invitation.accessLevel,
                key=invitation.signedEncryptionKey,
            )
        )

    async def withdraw(self, uid: str, *, is_incoming: bool) -> None:
        """Remove an invitation: reject one to the account, or withdraw one that it sent."""
        column = Invitation.invited if is_incoming else Invitation.inviting
        query = delete(Invitation).where(Invitation.uid == uid, column == self.account)
        if not (await self.db.execute(query.returning(Invitation.id))).all():
            raise not_found("invitation")

    async def accept(self, uid: str, acceptance: wire.Acceptance) -> None:
        """Accept an invitation and become a member of its collection."""
        query = select(Invitation.id, Invitation.collection, Invitation.access).where(
            Invitation.uid == uid, Invitation.invited == self.account
        )
        row = (await self.db.execute(query)).one_or_none()
        if row is None:
            raise not_found("invitation")
        sequence = await self.db.scalar(
            select(Collection.sequence).where(Collection.id == row.collection).with_for_update()
        )
        await lock_accounts(self.db, row.collection, self.account)
        statement = delete(Invitation).where(Invitation.id == row.id).returning(Invitation.id)
        if not (await self.db.execute(statement)).all():  # it was withdrawn meanwhile
            raise not_found("invitation")
        part = {
            "access": row.access,
            "type": acceptance.collectionType,
            "key": acceptance.encryptionKey,
            "ended": False,
        }
        earlier = (Member.collection == row.collection) & (Member.account == self.account)
        if await self.db.scalar(select(Member.id).where(earlier)) is None:
            new = {**part, "collection": row.collection, "account": self.account, "change": 0}
            await self.db.execute(insert(Member).values(new))
        else:
            await self.db.execute(update(Member).where(earlier).values(part))
        await note_change(self.db, row.collection, (sequence or 0) + 1)

    async def _end(self, place: Place, member: Row[int, str, int]) -> None:
        await self._check_not_last(place, member)
        ended = update(Member).where(Member.id == member.id)
        await self.db.execute(ended.values(ended=True, access=READ))
        await note_change(self.db, place.id, place.sequence + 1)
        await note_for(self.db, place.id, member.account)

    async def _check_not_last(self, place: Place, member: Row[int, str, int]) -> None:
        others = select(Member.id).where(
            Member.collection == place.id,
            Member.access == SHARE,
            Member.ended.is_(False),
            Member.id != member.id,
        )
        if member.access == SHARE and (await self.db.execute(others)).first() is None:
            raise CloudError(
                403, "last_admin", "no other member can manage this collection; delete it instead."
            )

    async def _find_member(self, place: Place, name: str) -> Row[int, str, int]:
        account = await self._find_account(name)
        query = select(Member.id, Member.account, Member.access).where(
            Member.collection == place.id, Member.account == account.id, Member.ended.is_(False)
        )
        row = (await self.db.execute(query)).one_or_none()
        if row is None:
            raise not_found("member")
        return row

    async def _find_account(self, name: str) -> Row[str, bytes]:
        known = self.secrets.name_hash(name)
        query = select(Account.id, Account.public_key).where(
            (Account.name_hash == known) | (Account.address_hash == known)
        )
        row = (await self.db.execute(query)).one_or_none()
        if row is None:
            raise not_found("account")
        return row

    def _name(self, account: str, sealed: bytes) -> str:
        return self.secrets.open(sealed, "accounts", account, "name").decode()

    def _to_invitation(self, row: Row[*tuple[Any, ...]], *, is_incoming: bool) -> wire.Invitation:
        return wire.Invitation(
            row.uid,
            row.version,
            row.access,
            self._name(row.invited, row.invited_name),
            row.collection,
            row.key,
            self._name(row.inviting, row.inviting_name) if is_incoming else None,
            row.public_key if is_incoming else None,
        )


def _read_number(iterator: str | None) -> int:
    if iterator is None:
        return 0
    if not iterator.isascii() or not iterator.isdecimal() or len(iterator) > 18:
        raise CloudError(400, "bad_iterator", "the iterator does not belong to this list.")
    return int(iterator)


def _invitations() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Invitation.id,
            Invitation.uid,
            Invitation.version,
            Invitation.access,
            Invitation.key,
            Invitation.invited,
            Invitation.inviting,
            Collection.uid.label("collection"),
            _Invited.name.label("invited_name"),
            _Inviting.name.label("inviting_name"),
            _Inviting.public_key.label("public_key"),
        )
        .join(Collection, Collection.id == Invitation.collection)
        .join(_Invited, _Invited.id == Invitation.invited)
        .join(_Inviting, _Inviting.id == Invitation.inviting)
    )
