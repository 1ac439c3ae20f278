"""Erase an account in steps, each of which can be repeated after a crash.

    announced   nothing has happened yet
    closed      keys are overwritten, the name is quarantined, devices are logged out
    listed      the erasure is recorded outside the database (`journal`); objects and bytes are
                counted, with a Merkle root of the bodies' names
    emptied     bodies are removed from the store; each removal is verified
    removed     rows are removed, the account's own row last
    done        the absence of rows is verified, and the receipt is signed

From `closed` on an erasure cannot be undone: only the owner's devices still have the keys, and
every door refuses the account. Collections shared with other accounts are emptied, too, and the
members' access ends. Bodies are not removed while a backup is running: the erasure waits until the
backup ends, or until the lease of an interrupted one expires.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import LargeBinary, Select, Table, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.accounts.owners import TABLE, hold_pepper
from server.cloud.law.journal import keep_record, record_of
from server.cloud.law.notices import ANNOUNCED
from server.cloud.law.policies import Policies, Signed
from server.cloud.law.receipts import DAY, make_erasure_receipt
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
"""Maximum number of rows removed in one transaction."""
BODIES = 20
"""Maximum number of bodies removed in one transaction, during which SQLite blocks other writers."""
WAIT_SECONDS = 1.0
"""Seconds between two checks whether a running backup has ended."""
LONG_QUARANTINE = 365
"""Days for which an erased account's name is quarantined if there is no policy."""
CONTENT: Final = frozenset({"collections", "members", "vaults"})
"""Tables whose rows own content; other tables' rows are removed when the account is closed."""
ACCOUNTS: Final = Base.metadata.tables["accounts"]
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Eraser:
    """Erases accounts step by step."""

    database: Sessions
    bodies: Bodies
    secrets: Secrets
    policies: Policies
    now: Callable[[], int]

    async def erase(self, erasure: str, until: str = DONE) -> None:
        """Continue an erasure until the step `until` is done.

        Raises StorageError if there is no policy or a body or row cannot be removed.
        """
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
        """Overwrite the account's keys, which cannot be undone."""
        assert row.account is not None
        signed = await self._find_policy(row)
        days = LONG_QUARANTINE if signed is None else signed.policy.days.quarantine
        async with self.database.begin() as db:
            await _erase_pages(db)
            await close_account(db, self.secrets, row.account, self.now() + days * DAY)
            await _complete_step(db, row, CLOSED)

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
            await _complete_step(db, row, LISTED, **counts)

    async def _empty(self, row: Erasure) -> None:
        assert row.account is not None
        for table, owned in (
            (Chunk, Chunk.collection.in_(_own(row.account))),
            (Blob, Blob.vault.in_(_vaults(row.account))),
        ):
            query = select(table.id, table.stored).where(owned, table.stored.is_not(None))
            while True:
                # One transaction, so that no backup begins with rows whose bodies are removed.
                async with self.database.begin() as db:
                    found = (await db.execute(query.order_by(table.id).limit(BODIES))).all()
                    if not found:
                        break
                    may_remove = await may_remove_bodies(db)
                    for _, name in found if may_remove else ():
                        if name is not None:
                            await self._remove_body(name)
                    removable = [each.id for each in found if may_remove]
                    await db.execute(delete(table).where(table.id.in_(removable)))
                if not may_remove:
                    await asyncio.sleep(WAIT_SECONDS)
        async with self.database.begin() as db:
            await _complete_step(db, row, EMPTIED)

    async def _remove(self, row: Erasure) -> None:
        account = row.account
        assert account is not None
        collections, vaults = _own(account), _vaults(account)
        items = select(Item.id).where(Item.collection.in_(collections))
        for table, condition in (
            (Revision, Revision.item.in_(items)),
            (Item, Item.collection.in_(collections)),
            (Chunk, Chunk.collection.in_(collections)),
            (Blob, Blob.vault.in_(vaults)),
        ):
            rows = select(table.id).where(condition).limit(SLICE)
            while True:
                async with self.database.begin() as db:
                    await _erase_pages(db)
                    statement = delete(table).where(table.id.in_(rows)).returning(table.id)
                    if not (await db.execute(statement)).all():
                        break
        async with self.database.begin() as db:
            await _erase_pages(db)
            await _leave_collections(db, account)
            for other in _tables_of_accounts():
                await db.execute(other.delete().where(_names_account(other, account)))
            await db.execute(delete(Account).where(Account.id == account))
            await _complete_step(db, row, REMOVED)

    async def _finish(self, row: Erasure) -> None:
        assert row.account is not None
        async with self.database() as db:
            for table in (ACCOUNTS, *_tables_of_accounts()):
                remaining = select(table).where(_names_account(table, row.account)).limit(1)
                if (await db.execute(remaining)).first() is not None:
                    raise StorageError(f"rows of {table.name} still refer to an erased account")
        signed, now = await self._policy(row), self.now()
        receipt = make_erasure_receipt(self.secrets, row, signed, now)
        async with self.database.begin() as db:
            values = {"receipt": receipt, "account": None, "forget_at": _forget_at(signed, now)}
            await _complete_step(db, row, DONE, **values)
        log.info("an account is erased", reason=row.reason)

    async def _remove_body(self, name: str) -> None:
        await self.bodies.remove(name)
        try:
            async for _ in self.bodies.get(name, 0, 1):
                raise StorageError("a removed body is still in the store; check the store.")
        except FileNotFoundError:
            return

    async def _load(self, erasure: str) -> Erasure | None:
        async with self.database() as db:
            return await db.get(Erasure, erasure)

    async def _find_policy(self, row: Erasure) -> Signed | None:
        """Return an erasure's policy, or the newest one if a restored database lacks it."""
        known = {each.policy.version: each for each in await self.policies.load(self.now())}
        return known.get(row.version) or (known[max(known)] if known else None)

    async def _policy(self, row: Erasure) -> Signed:
        signed = await self._find_policy(row)
        if signed is None:
            raise StorageError("an erasure needs a policy, and there is none; accept one.")
        return signed


async def close_account(db: AsyncSession, secrets: Secrets, account: str, until: int) -> None:
    """Overwrite an account's keys, end its sessions, and quarantine its name until `until`."""
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
        if table.name not in CONTENT:  # these may hold keys or tokens
            await db.execute(table.delete().where(_names_account(table, account)))
    await db.execute(
        update(Member).where(Member.account == account).values(key=b"", type=b"", ended=True)
    )


def _forget_at(signed: Signed, now: int) -> int:
    """Return the time until which the record of an erasure at `now` is kept."""
    days = signed.policy.days
    retention_days = max(days.backups + signed.policy.logs_days, days.quarantine)
    return now + (retention_days + 1) * DAY


def _blank(secrets: Secrets, account: str) -> dict[str, object]:
    """Return the values that close an account and overwrite all its columns of bytes."""
    blank: dict[str, object] = {"is_closed": True, "consent_version": 0}
    for column in ACCOUNTS.columns:
        if not isinstance(column.type, LargeBinary):
            continue
        if column.nullable:
            blank[column.name] = None
        elif column.type.length is None:  # a sealed column
            blank[column.name] = secrets.seal(b"", TABLE, account, column.name)
        elif column.name == "name_hash":  # unique, and made with another key than any name's hash
            blank[column.name] = secrets.quarantine_hash(account)
        else:
            blank[column.name] = bytes(column.type.length)
    return blank


async def _leave_collections(db: AsyncSession, account: str) -> None:
    """Remove an account's collections; an emptied shared one passes to another member."""
    owned = (await db.scalars(select(Collection.id).where(Collection.owner == account))).all()
    for number in owned:
        query = select(Member.account).where(Member.collection == number, Member.account != account)
        others = (await db.scalars(query.order_by(Member.account))).all()
        await db.execute(delete(Invitation).where(Invitation.collection == number))
        await db.execute(
            delete(Member).where(Member.collection == number, Member.account == account)
        )
        if not others:
            await db.execute(delete(Collection).where(Collection.id == number))
            continue
        # Former members learn from their list of collections that their membership has ended.
        shell = update(Collection).where(Collection.id == number)
        await db.execute(shell.values(owner=others[0]))
        ended = update(Member).where(Member.collection == number)
        await db.execute(ended.values(ended=True, key=b"", type=b"", access=0))
        await note_for(db, number, *others)


async def _list_bodies(db: AsyncSession, account: str) -> list[str]:
    """Return the names of an account's bodies in the store, sorted bytewise."""
    chunks = select(Chunk.stored).where(
        Chunk.collection.in_(_own(account)), Chunk.stored.is_not(None)
    )
    blobs = select(Blob.stored).where(Blob.vault.in_(_vaults(account)))
    # Sort here, because databases' collations differ.
    names = [*await db.scalars(chunks), *await db.scalars(blobs)]
    return sorted(name for name in names if name is not None)


def _own(account: str) -> Select[int]:
    return select(Collection.id).where(Collection.owner == account)


def _vaults(account: str) -> Select[int]:
    return select(Vault.id).where(Vault.account == account)


def _tables_of_accounts() -> list[Table]:
    """Return all tables that refer to accounts, dependent tables first."""
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


async def _complete_step(db: AsyncSession, row: Erasure, step: str, **values: object) -> None:
    """Record that a step is done, unless another node has done so."""
    await db.execute(
        update(Erasure)
        .where(Erasure.id == row.id, Erasure.step == row.step)
        .values(step=step, **values)
    )


async def _count(db: AsyncSession, query: Select[int]) -> int:
    return await db.scalar(select(func.count()).select_from(query.subquery())) or 0


async def _erase_pages(db: AsyncSession) -> None:
    """Make SQLite overwrite deleted rows; PostgreSQL does so when it vacuums."""
    if db.get_bind().dialect.name == "sqlite":
        await (await db.connection()).exec_driver_sql("PRAGMA secure_delete=ON")
