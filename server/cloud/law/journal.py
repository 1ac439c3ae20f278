"""Records of erasures outside the database, so that a restored backup does not revive accounts.

A record is in the store of bodies under `erased/` and the sha256 of the account's id. It is written
after the keys are overwritten and before anything else is removed, and backups copy it. A restore
announces the erasure again of each recorded account that the backup still contains.
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
    """The announcement of one erasure; `account` is the sha256 of the account's id.

    From `forget_at` on, in epoch seconds, no valid backup contains the account.
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
    """Return the record for the erasure of `account`."""
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
    """Store a record, replacing an existing one; raises OSError or StorageError."""
    await bodies.put(record.name, one_piece(msgspec.json.encode(record)))


async def load_records(bodies: Bodies) -> list[Record]:
    """Return all records in a store; raises FormatError if one is malformed."""
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
    """Copy missing records to `target`, remove expired ones there, and return the rest."""
    existing = {record.name: record for record in await load_records(target)}
    for record in await load_records(source):
        if record.name not in existing:
            await keep_record(target, record)
            existing[record.name] = record
    await forget_records(target, existing.values(), now)
    return [record for record in existing.values() if record.forget_at > now]


async def forget_records(bodies: Bodies, records: Iterable[Record], now: int) -> int:
    """Remove the expired ones of these records; returns their number."""
    old = [record for record in records if record.forget_at <= now]
    for record in old:
        await bodies.remove(record.name)
    return len(old)


async def announce_again(db: AsyncSession, records: Iterable[Record]) -> int:
    """Announce the erasure of accounts that exist although a record says they were erased.

    Returns their number. An announcement uses the newest policy version if the database lacks the
    recorded one.
    """
    accounts = {hash_account(account): account for account in await db.scalars(select(Account.id))}
    versions = set(await db.scalars(select(PolicyRow.version)))
    in_progress = set(await db.scalars(select(Erasure.account).where(Erasure.step != ANNOUNCED)))
    count = 0
    for record in records:
        account = accounts.get(record.account)
        if account is None or account in in_progress:
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
