"""Check that database rows and stored bodies match; read-only, safe while nodes are running."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from sqlalchemy import Select, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.copying.contents import (
    DamagedError,
    NamedBody,
    at_one_moment,
    find_named,
    pages_of_named,
)
from server.cloud.records.chunks import load_used
from server.cloud.storage.bodies import Bodies
from server.cloud.storage.models import Account, Blob, Chunk, Collection, Item, Revision, Vault
from server.storage.database import Sessions

MAX_LISTED = 50
"""Maximum number of faults to describe; all are counted."""


@dataclass(slots=True)
class Report:
    """The result of a check: totals, faults, and bodies without a row (`spare`).

    Spare bodies are not a fault: a crash leaves them, and upkeep removes them.
    """

    accounts: int = 0
    items: int = 0
    bodies: int = 0
    bytes: int = 0
    spare: int = 0
    faults: int = 0
    sentences: list[str] = field(default_factory=list)

    def add_fault(self, sentence: str) -> None:
        """Record a fault, described by a sentence."""
        self.faults += 1
        if len(self.sentences) < MAX_LISTED:
            self.sentences.append(sentence)


async def check_cloud(database: Sessions, bodies: Bodies, *, read: bool) -> Report:
    """Check a whole cloud; with `read`, also read each body and verify its hash."""
    report = Report()
    async with database() as db:
        await at_one_moment(db)
        await _check_database(db, report)
        report.accounts = await db.scalar(select(func.count(Account.id))) or 0
        report.items = await db.scalar(select(func.count(Item.id))) or 0
        await _check_chunks(db, report)
        await _check_bytes(db, report)
    suspects = await _compare(database, bodies, report)
    await _check_named(database, bodies, report, read=read, is_suspect=suspects)
    return report


async def _check_database(db: AsyncSession, report: Report) -> None:
    """Run SQLite's integrity checks; PostgreSQL checks its own files."""
    if db.get_bind().dialect.name == "sqlite":
        for (line,) in await db.execute(text("PRAGMA integrity_check(10)")):
            if line != "ok":
                report.add_fault(f"SQLite's integrity check reports: {line}.")
        for table, row, *_ in await db.execute(text("PRAGMA foreign_key_check")):
            report.add_fault(f"row {row} of {table} refers to a missing row.")


async def _check_chunks(db: AsyncSession, report: Report) -> None:
    """Find chunks that a revision refers to and its collection lacks."""
    for collection, uid in (await db.execute(select(Collection.id, Collection.uid))).all():
        existing = set(await db.scalars(select(Chunk.uid).where(Chunk.collection == collection)))
        for chunk in sorted(await load_used(db, collection) - existing):
            report.add_fault(f"the collection {uid} lacks the chunk {chunk} of one of its items.")


async def _check_bytes(db: AsyncSession, report: Report) -> None:
    """Compare each account's recorded usage with the bytes it stores."""
    stored: Counter[str] = Counter()
    for query in _sizes():
        for account, count in await db.execute(query):
            stored[account] += int(count)
    for account, used in await db.execute(select(Account.id, Account.used)):
        if used != stored[account]:
            report.add_fault(f"the account {account} stores {stored[account]} bytes, not {used}.")
    report.bytes = stored.total()


def _sizes() -> list[Select[str, int]]:
    meta, older = func.sum(func.length(Item.meta)), func.sum(func.length(Revision.meta))
    owner = Collection.owner
    return [
        select(owner, meta).join(Item, Item.collection == Collection.id).group_by(owner),
        select(owner, older)
        .join(Item, Item.collection == Collection.id)
        .join(Revision, Revision.item == Item.id)
        .group_by(owner),
        select(owner, func.sum(Chunk.length))
        .join(Chunk, Chunk.collection == Collection.id)
        .group_by(owner),
        select(Vault.account, func.sum(Blob.length))
        .join(Blob, Blob.vault == Vault.id)
        .group_by(Vault.account),
    ]


async def _compare(database: Sessions, bodies: Bodies, report: Report) -> bool:
    """Compare the stored bodies with the rows; returns whether any row lacks its body."""
    matched = 0
    async for page in bodies.pages():
        async with database() as db:
            named = await find_named(db, [body.name for body in page])
        for body in page:
            length = named.get(body.name)
            if length is None:
                report.spare += 1
            elif length != body.length:
                report.add_fault(f"the body {body.name} has {body.length} bytes, not {length}.")
            matched += length is not None
    async with database() as db:
        rows = await db.scalar(select(func.count(Blob.id))) or 0
        rows += await db.scalar(select(func.count(Chunk.id)).where(Chunk.stored.is_not(None))) or 0
    report.bodies = matched
    return matched != rows


async def _check_named(
    database: Sessions, bodies: Bodies, report: Report, *, read: bool, is_suspect: bool
) -> None:
    """Read each body: all of it with `read`, or only its last byte if any body is missing."""
    if not (read or is_suspect):
        return
    async for page in pages_of_named(database):
        for body in page:
            try:
                async for _ in _read(bodies, body, is_whole=read):
                    pass
            except (FileNotFoundError, DamagedError) as error:
                if await _is_still_named(database, body):
                    is_damaged = isinstance(error, DamagedError)
                    fault = "is damaged" if is_damaged else "is missing"
                    report.add_fault(f"the body {body.stored} {fault}; restore it from a backup.")


def _read(bodies: Bodies, body: NamedBody, *, is_whole: bool) -> AsyncIterator[bytes]:
    if is_whole:
        return body.verified(bodies.get(body.stored, 0, body.length))
    return bodies.get(body.stored, max(body.length - 1, 0), min(body.length, 1))


async def _is_still_named(database: Sessions, body: NamedBody) -> bool:
    async with database() as db:
        return body.stored in await find_named(db, [body.stored])
