"""Chunks: the pieces of items' contents, kept once for each collection.

Small ones are in a row. Larger ones lie in the store of bodies, and are there before the row is.
"""

import base64
import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.errors import CloudError, not_found
from server.cloud.storage.bodies import Bodies, one_piece
from server.cloud.storage.bulk import insert_rows, is_among, pack
from server.cloud.storage.models import Chunk, Item, Revision
from server.cloud.storage.models import Collection as CollectionRow

SMALL = 16 * 1024
"""Bytes of a body that is kept in its row."""
_IS_NAMED = (Chunk.collection == bindparam("place")) & is_among(Chunk.uid, "uids")
_THERE = select(Chunk.uid).where(_IS_NAMED)
_COLUMNS = ("collection", "uid", "length", "stored", "body", "written_at")
NAME_BYTES = 16
_DRAWN = 22  # characters that stand for as many bytes


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk that came; a large one is in the store already, as `stored`."""

    uid: str
    length: int
    stored: str | None
    body: bytes | None


async def keep_bodies(
    bodies: Bodies, collection: str, draw: Callable[[int], str], given: dict[str, bytes]
) -> list[NewChunk]:
    """Store those bodies that are large under new names, and return all as chunks.

    A name is drawn for each, so that removing one never meets a new one, and ends with the sha256
    of the body, so that it can be verified without the keys. All is done before anything is
    locked; what no row names in the end is for upkeep to remove.
    """
    chunks = []
    for uid, body in given.items():
        if len(body) <= SMALL:
            chunks.append(NewChunk(uid, len(body), None, body))
            continue
        name = f"chunks/{collection}/{draw(NAME_BYTES)}{_hash(body)}"
        await bodies.put(name, one_piece(body), is_drawn=True)
        chunks.append(NewChunk(uid, len(body), name, None))
    return chunks


async def find_missing(db: AsyncSession, collection: int, uids: Collection[str]) -> set[str]:
    """Return which of `uids` the collection has no chunk of."""
    connection = await db.connection()
    found = await connection.execute(_THERE, {"place": collection, "uids": pack(uids)})
    return set(uids).difference(found.scalars())


async def add_chunks(
    db: AsyncSession, collection: int, chunks: Iterable[NewChunk], now: int
) -> None:
    """Add chunks that a locked collection lacks."""
    rows = [
        (collection, chunk.uid, chunk.length, chunk.stored, chunk.body, now) for chunk in chunks
    ]
    if rows:
        await insert_rows(db, Chunk, _COLUMNS, rows)


async def load_used(db: AsyncSession, collection: int) -> set[str]:
    """Return the uids of all chunks that a collection's revisions name, current and older ones."""
    used: set[str] = set()
    current = select(Item.chunks).where(Item.collection == collection)
    older = select(Revision.chunks).join(Item, Item.id == Revision.item)
    for query in (current, older.where(Item.collection == collection)):
        for packed in await db.scalars(query):
            used.update(msgspec.msgpack.decode(packed, type=list[str]))
    return used


async def note_ahead(db: AsyncSession, collection: int, uid: str, now: int) -> bool:
    """Note that a client sent a chunk for items to come; answers whether it is there.

    The collection is locked. A chunk that no item names in the end is for upkeep to remove.
    """
    await db.execute(
        update(CollectionRow)
        .where(CollectionRow.id == collection)
        .values(sweep_at=func.coalesce(CollectionRow.sweep_at, now))
    )
    found = update(Chunk).where(Chunk.collection == collection, Chunk.uid == uid)
    return bool((await db.execute(found.values(written_at=now).returning(Chunk.id))).all())


async def load_lengths(db: AsyncSession, collection: int, uids: Sequence[str]) -> dict[str, int]:
    """Return how many bytes each of `uids` has."""
    query = select(Chunk.uid, Chunk.length).where(_IS_NAMED)
    rows = await db.execute(query, {"place": collection, "uids": pack(uids)})
    return {row.uid: row.length for row in rows}


async def load_bodies(
    db: AsyncSession, bodies: Bodies, collection: int, uids: Sequence[str]
) -> dict[str, bytes]:
    """Return the bodies of `uids`; raises CloudError where the store has lost one."""
    query = select(Chunk.uid, Chunk.length, Chunk.stored, Chunk.body).where(_IS_NAMED)
    rows = (await db.execute(query, {"place": collection, "uids": pack(uids)})).all()
    return {uid: await _load(bodies, length, stored, body) for uid, length, stored, body in rows}


async def load_chunk(db: AsyncSession, bodies: Bodies, collection: int, uid: str) -> bytes:
    """Return the body of one chunk; raises CloudError where there is none."""
    found = await load_bodies(db, bodies, collection, [uid])
    if uid not in found:
        raise not_found("chunk")
    return found[uid]


def matches_name(stored: str, sha256: bytes) -> bool:
    """Answer whether a body with this hash is the one that was stored under a name."""
    return stored.rpartition("/")[2][_DRAWN:] == _encode(sha256)


def _hash(body: bytes) -> str:
    return _encode(hashlib.sha256(body).digest())


def _encode(sha256: bytes) -> str:
    return base64.urlsafe_b64encode(sha256).rstrip(b"=").decode()


async def _load(bodies: Bodies, length: int, stored: str | None, body: bytes | None) -> bytes:
    if stored is None:
        return body or b""
    try:
        return b"".join([piece async for piece in bodies.get(stored, 0, length)])
    except FileNotFoundError as error:
        raise CloudError(
            500, "chunk_lost", "a chunk of this item is lost; the operator has to restore it."
        ) from error
