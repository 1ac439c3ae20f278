"""An account's way out, step by step; each is a transaction, and repeating one does no harm.

    announced   nothing has happened yet
    closed      keys are overwritten, the name is in quarantine, devices are logged out
    listed      it is recorded outside the database (`journal`), and what there is to erase is
                counted, with a Merkle root of the bodies' names
    emptied     bodies are removed from the store, each checked by asking for it
    removed     rows are removed, that of the account last
    done        absence is checked by reading, and the receipt is signed

From `closed` on there is no way back: without the keys nobody can decrypt but a device of the
owner, and every door refuses the account. A crash at any point is repaired by running it again.
A collection that others share is emptied, too, and their membership ends. While a backup is made
its bodies stay: an erasure waits for the end of it, or of the lease of one that was cut off.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import (
    CursorResult,
    Delete,
    LargeBinary,
    Select,
    Table,
    Update,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.accounts.owners import TABLE, hold_pepper
from server.cloud.law.journal import keep_record, record_of
from server.cloud.law.notices import ANNOUNCED
from server.cloud.law.policies import Policies, Signed
from server.cloud.law.receipts import DAY, Erased, make_erasure_receipt
from server.cloud.records.access import note_for
from server.cloud.secrets import Secrets
from server.cloud.storage.bodies import Bodies
from server.cloud.storage.law_models import Erasure, Quarantine
from server.cloud.storage.lease import may_remove_bodies
from server.cloud.storage.models import (
    Account,
    Base,
    Blob,
    Chunk,
    Collection,
    Invitation,
    Item,
    Member,
    Revision,
    Vault,
)
from server.core.tlog import CompactTree, leaf_hash
from server.storage.database import Sessions
from server.storage.errors import StorageError

CLOSED: Final = "closed"
LISTED: Final = "listed"
EMPTIED: Final = "emptied"
REMOVED: Final = "removed"
DONE: Final = "done"
SLICE = 500
"""Rows of one transaction."""
BODIES = 20
"""Bodies of one transaction: on SQLite other writers wait for it."""
WAIT_SECONDS = 1.0
"""Between two looks for the end of a backup, which has the bodies that are to go."""
LONG_QUARANTINE = 365
"""Days for which a name is not given away while no policy is here that says how long."""
CONTENT: Final = frozenset({"collections", "members", "vaults"})
"""Tables of accounts that content hangs on; rows of the others go first."""
ACCOUNTS: Final = Base.metadata.tables["accounts"]
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Eraser:
    """Erases accounts."""

    database: Sessions
    bodies: Bodies
    secrets: Secrets
    policies: Policies
    now: Callable[[], int]

    async def erase(self, erasure: str, until: str = DONE) -> None:
        """Go on with an erasure `until` a step is done; raises StorageError where a body stays."""
        steps = {
            ANNOUNCED: self._close,
            CLOSED: self._list,
            LISTED: self._empty,
            EMPTIED: self._remove,
            REMOVED: self._finish,
        }
        while (row := await self._load(erasure)) is not None and row.step != until:
            await steps[row.step](row)

    async def _close(self, row: Erasure) -> None:
        """Overwrite the keys of an account whose erasure is announced; there is no way back."""
        assert row.account is not None
        signed = await self._find_policy(row)
        days = LONG_QUARANTINE if signed is None else signed.policy.days.quarantine
        async with self.database.begin() as db:
            await _erase_pages(db)
            await close_account(db, self.secrets, row.account, self.now() + days * DAY)
            await _pass(db, row, CLOSED)

    async def _list(self, row: Erasure) -> None:
        assert row.account is not None
        forget_at = _forget_at(await self._policy(row), self.now())
        await keep_record(self.bodies, record_of(row, row.account, forget_at))
        async with self.database() as db:
            names = await _list_bodies(db, row.account)
            tree = CompactTree().grow(leaf_hash(name.encode()) for name in names)
            items = await _count(db, select(Item.id).where(Item.collection.in_(_own(row.account))))
            items += await _count(db, select(Blob.id).where(Blob.vault.in_(_vaults(row.account))))
            used = await db.scalar(select(Account.used).where(Account.id == row.account))
        async with self.database.begin() as db:
            counts = {"bodies": tree.size, "items": items, "size": used, "root": tree.root()}
            await _pass(db, row, LISTED, **counts)

    async def _empty(self, row: Erasure) -> None:
        assert row.account is not None
        for table, owned in (
            (Chunk, Chunk.collection.in_(_own(row.account))),
            (Blob, Blob.vault.in_(_vaults(row.account))),
        ):
            query = select(table.id, table.stored).where(owned, table.stored.is_not(None))
            while True:
                # In one transaction: no backup begins with rows whose bodies are gone.
                async with self.database.begin() as db:
                    found = (await db.execute(query.order_by(table.id).limit(BODIES))).all()
                    if not found:
                        break
                    may_remove = await may_remove_bodies(db)
                    for _, name in found if may_remove else ():
                        if name is not None:
                            await self._remove_body(name)
                    gone = [each.id for each in found if may_remove]
                    await db.execute(delete(table).where(table.id.in_(gone)))
                if not may_remove:
                    await asyncio.sleep(WAIT_SECONDS)
        async with self.database.begin() as db:
            await _pass(db, row, EMPTIED)

    async def _remove(self, row: Erasure) -> None:
        account = row.account
        assert account is not None
        own, vaults = _own(account), _vaults(account)
        items = select(Item.id).where(Item.collection.in_(own))
        for table, condition in (
            (Revision, Revision.item.in_(items)),
            (Item, Item.collection.in_(own)),
            (Chunk, Chunk.collection.in_(own)),
            (Blob, Blob.vault.in_(vaults)),
        ):
            rows = select(table.id).where(condition).limit(SLICE)
            while True:
                async with self.database.begin() as db:
                    await _erase_pages(db)
                    if not await _change(db, delete(table).where(table.id.in_(rows))):
                        break
        async with self.database.begin() as db:
            await _erase_pages(db)
            await _leave_collections(db, account)
            for other in _tables_of_accounts():
                await db.execute(other.delete().where(_names_account(other, account)))
            await db.execute(delete(Account).where(Account.id == account))
            await _pass(db, row, REMOVED)

    async def _finish(self, row: Erasure) -> None:
        assert row.account is not None
        assert row.root is not None
        async with self.database() as db:
            for table in (ACCOUNTS, *_tables_of_accounts()):
                left = select(table).where(_names_account(table, row.account)).limit(1)
                if (await db.execute(left)).first() is not None:
                    raise StorageError(f"rows of {table.name} of an erased account are still there")
        signed, now = await self._policy(row), self.now()
        erased = Erased(
            row.id,
            row.account,
            row.reason,
            asked_at=row.asked_at,
            due_at=row.due_at,
            done_at=now,
            bodies=row.bodies or 0,
            items=row.items or 0,
            size=row.size or 0,
            root=row.root,
        )
        receipt = make_erasure_receipt(self.secrets, erased, signed)
        async with self.database.begin() as db:
            values = {"receipt": receipt, "account": None, "forget_at": _forget_at(signed, now)}
            await _pass(db, row, DONE, **values)
        log.info("an account is erased", reason=row.reason)

    async def _remove_body(self, name: str) -> None:
        await self.bodies.remove(name)
        try:
            async for _ in self.bodies.get(name, 0, 1):
                raise StorageError("a body was removed and is still there; look at the store.")
        except FileNotFoundError:
            return

    async def _load(self, erasure: str) -> Erasure | None:
        async with self.database() as db:
            return await db.get(Erasure, erasure)

    async def _find_policy(self, row: Erasure) -> Signed | None:
        """Return the policy of an erasure; the newest where a restored database lacks that one."""
        known = {each.policy.version: each for each in await self.policies.load(self.now())}
        return known.get(row.version) or (known[max(known)] if known else None)

    async def _policy(self, row: Erasure) -> Signed:
        signed = await self._find_policy(row)
        if signed is None:
            raise StorageError("no policy is here, by which an account is erased; accept one.")
        return signed


async def close_account(db: AsyncSession, secrets: Secrets, account: str, until: int) -> None:
    """Overwrite the keys of an account, log everything out, and quarantine its name `until`."""
    await hold_pepper(db, secrets)
    row = await db.scalar(select(Account).where(Account.id == account).with_for_update())
    if row is None or row.is_closed:
        return
    name = secrets.open(row.name, TABLE, account, "name").decode()
    known = secrets.quarantine_hash(name)
    await db.execute(delete(Quarantine).where(Quarantine.name_hash == known))
    await db.execute(insert(Quarantine).values(name_hash=known, until=until))
    await db.execute(update(Account).where(Account.id == account).values(_blank(secrets, account)))
    for table in _tables_of_accounts():
        if table.name not in CONTENT:  # what may hold a key, or open a door
            await db.execute(table.delete().where(_names_account(table, account)))
    await db.execute(
        update(Member).where(Member.account == account).values(key=b"", type=b"", ended=True)
    )


def _forget_at(signed: Signed, now: int) -> int:
    """Return until when the record of an erasure is kept that is done now."""
    days = signed.policy.days
    kept = max(days.backups + signed.policy.logs_days, days.quarantine)
    return now + (kept + 1) * DAY


def _blank(secrets: Secrets, account: str) -> dict[str, object]:
    """Return values without meaning for all columns of an account that hold bytes."""
    blank: dict[str, object] = {"is_closed": True, "consent_version": 0}
    for column in ACCOUNTS.columns:
        if not isinstance(column.type, LargeBinary):
            continue
        if column.nullable:
            blank[column.name] = None
        elif column.type.length is None:  # a sealed one
            blank[column.name] = secrets.seal(b"", TABLE, account, column.name)
        elif column.name == "name_hash":  # of another key, so that no name has it
            blank[column.name] = secrets.quarantine_hash(account)
        else:
            blank[column.name] = bytes(column.type.length)
    return blank


async def _leave_collections(db: AsyncSession, account: str) -> None:
    """Remove an account's collections; of those that others share the shell goes to one of them."""
    own = (await db.scalars(select(Collection.id).where(Collection.owner == account))).all()
    for number in own:
        query = select(Member.account).where(Member.collection == number, Member.account != account)
        others = (await db.scalars(query.order_by(Member.account))).all()
        await db.execute(delete(Invitation).where(Invitation.collection == number))
        await db.execute(
            delete(Member).where(Member.collection == number, Member.account == account)
        )
        if not others:
            await db.execute(delete(Collection).where(Collection.id == number))
            continue
        # They learn that they are members no more by the list of their collections.
        shell = update(Collection).where(Collection.id == number)
        await db.execute(shell.values(owner=others[0]))
        ended = update(Member).where(Member.collection == number)
        await db.execute(ended.values(ended=True, key=b"", type=b"", access=0))
        await note_for(db, number, *others)


async def _list_bodies(db: AsyncSession, account: str) -> list[str]:
    """Return the names of an account's bodies in the store, in the order of their bytes."""
    chunks = select(Chunk.stored).where(
        Chunk.collection.in_(_own(account)), Chunk.stored.is_not(None)
    )
    blobs = select(Blob.stored).where(Blob.vault.in_(_vaults(account)))
    # Sorted here, because databases have orders of their own.
    names = [*await db.scalars(chunks), *await db.scalars(blobs)]
    return sorted(name for name in names if name is not None)


def _own(account: str) -> Select[int]:
    return select(Collection.id).where(Collection.owner == account)


def _vaults(account: str) -> Select[int]:
    return select(Vault.id).where(Vault.account == account)


def _tables_of_accounts() -> list[Table]:
    """Return the tables with a row for an account, but for the account's own; leaves first."""
    return [
        table
        for table in reversed(Base.metadata.sorted_tables)
        if table is not ACCOUNTS and any(key.column.table is ACCOUNTS for key in table.foreign_keys)
    ]


def _names_account(table: Table, account: str) -> Any:  # noqa: ANN401 - an SQL condition
    if table is ACCOUNTS:
        return table.c.id == account
    return or_(
        *(key.parent == account for key in table.foreign_keys if key.column.table is ACCOUNTS)
    )


async def _pass(db: AsyncSession, row: Erasure, step: str, **values: object) -> None:
    """Note that a step is done, unless another node did it meanwhile."""
    await db.execute(
        update(Erasure)
        .where(Erasure.id == row.id, Erasure.step == row.step)
        .values(step=step, **values)
    )


async def _count(db: AsyncSession, query: Select[int]) -> int:
    return await db.scalar(select(func.count()).select_from(query.subquery())) or 0


async def _change(db: AsyncSession, statement: Update | Delete) -> int:
    result = await db.execute(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount


async def _erase_pages(db: AsyncSession) -> None:
    """Let SQLite overwrite what it deletes; PostgreSQL does when it vacuums."""
    if db.get_bind().dialect.name == "sqlite":
        await (await db.connection()).exec_driver_sql("PRAGMA secure_delete=ON")
