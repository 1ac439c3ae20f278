"""Batches and transactions, which write all of their items or none.

An item's row holds its current revision; a replaced one moves to `revisions`. Writers lock the
collection's row. So sequence numbers are unique, and a reader that has seen one number has seen
all lower ones.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import (
    BigInteger,
    Row,
    bindparam,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.errors import CloudError, ItemRefusal, ItemsError
from server.cloud.records.access import Place, charge_owner, note_change
from server.cloud.records.chunks import NewChunk, add_chunks, find_missing
from server.cloud.records.wire import Item, Known, is_at
from server.cloud.storage.bulk import insert_rows, is_among, pack
from server.cloud.storage.models import Item as ItemRow
from server.cloud.storage.models import Revision as RevisionRow

_ROWS = select(ItemRow.id, ItemRow.uid, ItemRow.etag).where(
    ItemRow.collection == bindparam("place"), is_among(ItemRow.uid, "uids")
)
_CONTENT = ("sequence", "etag", "meta", "deleted", "chunks", "written_at")
_COLUMNS = ("collection", "uid", "version", "key", *_CONTENT)
_CHANGE = (
    update(ItemRow)
    .where(ItemRow.id == bindparam("row"))
    .values({name: bindparam(name) for name in _CONTENT})
)


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """A batch of items to write at `now`, in epoch seconds, and its preconditions.

    `chunks` are those that came with `items`. `deps` must be current. `stoken`, if given, must be
    the collection's current position. With `must_match`, each item must replace its `etag`.
    """

    items: Sequence[Item]
    deps: Sequence[Known]
    chunks: Sequence[NewChunk]
    stoken: str | None
    must_match: bool
    now: int


async def write_items(
    db: AsyncSession, place: Place, request: WriteRequest, generation: bytes
) -> None:
    """Write the items of a request to a locked collection; raises CloudError or ItemsError."""
    place.check_may_write()
    if request.stoken is not None and not is_at(
        request.stoken, generation, place.uid, place.sequence
    ):
        raise CloudError(409, "stale_stoken", "the collection has changed; fetch it first.")
    _check_once(request.items)
    rows = {row.uid: row for row in await _load_rows(db, place, request)}
    etags = {uid: row.etag for uid, row in rows.items()}
    _check_known("dep_failed", request.deps, etags)
    items = [item for item in request.items if not _is_written(item, etags)]
    if request.must_match:
        _check_known("item_failed", [Known(item.uid, item.etag) for item in items], etags)
    if not items:
        return
    replaced = {rows[item.uid].id: item.content.uid for item in items if item.uid in rows}
    if replaced:
        await _check_never_written(db, replaced)
    chunks = await _choose_chunks(db, place, request, items)
    added = sum(len(item.content.meta) for item in items) + sum(each.length for each in chunks)
    await charge_owner(db, place, added)
    await add_chunks(db, place.id, chunks, request.now)
    if replaced:
        await _keep_revisions(db, list(replaced), request.now)
    new, changed = [], []
    for sequence, item in enumerate(items, place.sequence + 1):
        content = _content(item, sequence, request.now)
        if item.uid in rows:
            changed.append({"row": rows[item.uid].id, **dict(zip(_CONTENT, content, strict=True))})
        else:
            new.append((place.id, item.uid, item.version, item.encryptionKey, *content))
    if new:
        await insert_rows(db, ItemRow, _COLUMNS, new)
    if changed:
        await (await db.connection()).execute(_CHANGE, changed)
    await note_change(db, place.id, place.sequence + len(items))


def _check_once(items: Sequence[Item]) -> None:
    for uid, count in Counter(item.uid for item in items).items():
        if count > 1:
            raise CloudError(400, "duplicate_uid", f"the item {uid} occurs twice; send it once.")


async def _load_rows(
    db: AsyncSession, place: Place, request: WriteRequest
) -> Sequence[Row[int, str, str]]:
    uids = {item.uid for item in request.items} | {dep.uid for dep in request.deps}
    connection = await db.connection()
    return (await connection.execute(_ROWS, {"place": place.id, "uids": pack(uids)})).all()


def _check_known(code: str, known: Sequence[Known], etags: dict[str, str]) -> None:
    refusals = [
        ItemRefusal(each.uid, "wrong_etag", f"its current revision is {etags.get(each.uid)}.")
        for each in known
        if each.etag != etags.get(each.uid)
    ]
    if refusals:
        raise ItemsError(code, refusals)


def _is_written(item: Item, etags: dict[str, str]) -> bool:
    """Return whether an item's new revision is current already, as in a repeated request."""
    return etags.get(item.uid) == item.content.uid


async def _check_never_written(db: AsyncSession, replaced: dict[int, str]) -> None:
    """Raise CloudError if an item would return to an earlier revision."""
    query = select(RevisionRow.item, RevisionRow.etag).where(
        RevisionRow.item.in_(replaced), RevisionRow.etag.in_(replaced.values())
    )
    for item, etag in (await db.execute(query)).all():
        if replaced[item] == etag:
            raise CloudError(
                400, "revision_exists", "an item had this revision before; create a new one."
            )


async def _choose_chunks(
    db: AsyncSession, place: Place, request: WriteRequest, items: Sequence[Item]
) -> list[NewChunk]:
    """Return the chunks to add; raises CloudError if a needed one was not sent."""
    named = {chunk.uid for item in items for chunk in item.content.chunks}
    missing = await find_missing(db, place.id, named) if named else set[str]()
    chosen = [chunk for chunk in request.chunks if chunk.uid in missing]
    if lacking := missing - {chunk.uid for chunk in chosen}:
        raise CloudError(
            400, "chunk_no_content", f"the chunk {min(lacking)} is missing; send its content."
        )
    return chosen


async def _keep_revisions(db: AsyncSession, items: Sequence[int], now: int) -> None:
    columns = ("item", *_CONTENT, "replaced_at")
    content = (getattr(ItemRow, name) for name in _CONTENT)
    old = select(ItemRow.id, *content, literal(now, BigInteger))
    await db.execute(insert(RevisionRow).from_select(columns, old.where(ItemRow.id.in_(items))))


def _content(item: Item, sequence: int, now: int) -> tuple[object, ...]:
    """Return the values of the columns `_CONTENT`."""
    content = item.content
    chunks = msgspec.msgpack.encode([chunk.uid for chunk in content.chunks])
    return (sequence, content.uid, content.meta, content.deleted, chunks, now)
