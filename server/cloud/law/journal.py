"""Records of erasures outside the database: what was erased stays so in a restored backup.

A record lies in the store of bodies under `erased/` and the sha256 of the account's id. It is
written when the keys are gone, before anything else is, and it is copied with backups. A restore
announces each erasure again of which the backup still has the account.
"""

from collections.abc import Iterable

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.law.notices import ANNOUNCED, Announcement, announce
from server.cloud.law.receipts import hash_account
from server.cloud.storage.bodies import ERASED, Bodies, one_piece
from server.cloud.storage.law_models import Erasure, PolicyRow
from server.cloud.storage.models import Account
from server.core.errors import FormatError


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One erasure as it was announced, of the account whose id has the hash `account`.

    From `forget_at` on, epoch seconds, no backup has the account any more.
    """

    account: str
    id: str
    reason: str
    asked_at: int
    begins_at: int
    due_at: int
    version: int
    forget_at: int

    @property
    def name(self) -> str:
        """The name of the record in the store."""
        return f"{ERASED}/{self.account}"


def record_of(row: Erasure, account: str, forget_at: int) -> Record:
    """Return the record of an erasure of `account`."""
    return Record(
        hash_account(account),
        row.id,
        row.reason,
        asked_at=row.asked_at,
        begins_at=row.begins_at,
        due_at=row.due_at,
        version=row.version,
        forget_at=forget_at,
    )


async def keep_record(bodies: Bodies, record: Record) -> None:
    """Keep a record; one that is there is replaced. Raises OSError or StorageError."""
    await bodies.put(record.name, one_piece(msgspec.json.encode(record)))


async def load_records(bodies: Bodies) -> list[Record]:
    """Return all records of a store; raises FormatError for one that is damaged."""
    found = []
    async for page in bodies.pages(ERASED):
        for body in page:
            data = b"".join([piece async for piece in bodies.get(body.name, 0, body.length)])
            try:
                found.append(msgspec.json.decode(data, type=Record))
            except msgspec.DecodeError as error:
                raise FormatError(f"the record {body.name} is malformed: {error}.") from error
    return found


async def copy_records(source: Bodies, target: Bodies, now: int) -> list[Record]:
    """Keep all records of `source` in `target`, too; forget old ones there, and return the rest."""
    there = {record.name: record for record in await load_records(target)}
    for record in await load_records(source):
        if record.name not in there:
            await keep_record(target, record)
            there[record.name] = record
    await forget_records(target, there.values(), now)
    return [record for record in there.values() if record.forget_at > now]


async def forget_records(bodies: Bodies, records: Iterable[Record], now: int) -> int:
    """Remove those records that have had their time; returns how many."""
    old = [record for record in records if record.forget_at <= now]
    for record in old:
        await bodies.remove(record.name)
    return len(old)


async def announce_again(db: AsyncSession, records: Iterable[Record]) -> int:
    """Announce the erasure of those accounts that are there and were erased; returns how many.

    A policy that the database does not have is replaced by the newest that it has.
    """
    accounts = {hash_account(account): account for account in await db.scalars(select(Account.id))}
    versions = set(await db.scalars(select(PolicyRow.version)))
    begun = set(await db.scalars(select(Erasure.account).where(Erasure.step != ANNOUNCED)))
    count = 0
    for record in records:
        account = accounts.get(record.account)
        if account is None or account in begun:
            continue
        version = record.version if record.version in versions else max(versions, default=0)
        await announce(
            db,
            Announcement(
                record.id,
                account,
                record.reason,
                asked_at=record.asked_at,
                begins_at=record.begins_at,
                due_at=record.due_at,
                version=version,
            ),
        )
        count += 1
    return count
