"""Chunks: the pieces of items' contents, stored once per collection.

A small chunk's body is in its row. A larger one is in the store of bodies, where it is written
before the row.
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
"""Maximum size of a body that is stored in its row, in bytes."""
_IS_NAMED = (Chunk.collection == bindparam("place")) & is_among(Chunk.uid, "uids")
_THERE = select(Chunk.uid).where(_IS_NAMED)
_COLUMNS = ("collection", "uid", "length", "stored", "body", "written_at")
NAME_BYTES = 16
_DRAWN = 22  # base64 characters of NAME_BYTES


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A received chunk: `body` if it is small, else its name in the store, `stored`."""

    uid: str
    length: int
    stored: str | None
    body: bytes | None


async def keep_bodies(
    bodies: Bodies, collection: str, draw: Callable[[int], str], received: dict[str, bytes]
) -> list[NewChunk]:
    """Store the large bodies under new names, and return all bodies as chunks.

    A name has a random part, so that removing an old body cannot remove a new one. It ends with the
    body's sha256, so that the body can be verified without keys. Call this before taking any lock;
    upkeep removes bodies that no row refers to in the end.
    """
    chunks = []
    for uid, body in received.items():
        if len(body) <= SMALL:
            chunks.append(NewChunk(uid, len(body), None, body))
            continue
        name = f"chunks/{collection}/{draw(NAME_BYTES)}{_hash(body)}"
        await bodies.put(name, one_piece(body), is_drawn=True)
        chunks.append(NewChunk(uid, len(body), name, None))
    return chunks


async def find_missing(db: AsyncSession, collection: int, uids: Collection[str]) -> set[str]:
    """Return those of `uids` for which the collection has no chunk."""
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
    """Return the uids of all chunks used by a collection's current and older revisions."""
    used: set[str] = set()
    current = select(Item.chunks).where(Item.collection == collection)
    older = select(Revision.chunks).join(Item, Item.id == Revision.item)
    for query in (current, older.where(Item.collection == collection)):
        for packed in await db.scalars(query):
            used.update(msgspec.msgpack.decode(packed, type=list[str]))
    return used


async def note_ahead(db: AsyncSession, collection: int, uid: str, now: int) -> bool:
    """Record that a client sent a chunk ahead of its item; returns whether the chunk exists.

    The collection must be locked. Upkeep removes the chunk if no item uses it in the end.
    """
    await db.execute(
        update(CollectionRow)
        .where(CollectionRow.id == collection)
        .values(sweep_at=func.coalesce(CollectionRow.sweep_at, now))
    )
    found = update(Chunk).where(Chunk.collection == collection, Chunk.uid == uid)
    return bool((await db.execute(found.values(written_at=now).returning(Chunk.id))).all())


async def load_lengths(db: AsyncSession, collection: int, uids: Sequence[str]) -> dict[str, int]:
    """Return the lengths in bytes of the chunks `uids`."""
    query = select(Chunk.uid, Chunk.length).where(_IS_NAMED)
    rows = await db.execute(query, {"place": collection, "uids": pack(uids)})
    return {row.uid: row.length for row in rows}


async def load_bodies(
    db: AsyncSession, bodies: Bodies, collection: int, uids: Sequence[str]
) -> dict[str, bytes]:
    """Return the bodies of the chunks `uids`; raises CloudError if the store has lost one."""
    query = select(Chunk.uid, Chunk.length, Chunk.stored, Chunk.body).where(_IS_NAMED)
    rows = (await db.execute(query, {"place": collection, "uids": pack(uids)})).all()
    return {uid: await _load(bodies, length, stored, body) for uid, length, stored, body in rows}


async def load_chunk(db: AsyncSession, bodies: Bodies, collection: int, uid: str) -> bytes:
    """Return the body of one chunk; raises CloudError if there is none."""
    found = await load_bodies(db, bodies, collection, [uid])
    if uid not in found:
        raise not_found("chunk")
    return found[uid]


def matches_name(stored: str, sha256: bytes) -> bool:
    """Return whether `sha256` is the hash in a stored body's name."""
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
