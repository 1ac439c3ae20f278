"""Chunks: the pieces of items' contents, kept once for each collection.

Small ones are in a row. Larger ones lie in the store of bodies, and are there before the row is.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.errors import CloudError, not_found
from server.cloud.storage.bodies import Bodies, one_piece
from server.cloud.storage.models import Chunk

SMALL = 16 * 1024
"""Bytes of a body that is kept in its row."""
_SLICE = 4000  # parameters of one statement: PostgreSQL takes 32,767, SQLite as many


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk that came; a large one is in the store already, as `stored`."""

    uid: str
    length: int
    stored: str | None
    body: bytes | None


async def keep_bodies(
    bodies: Bodies, names: Iterator[str], given: dict[str, bytes]
) -> list[NewChunk]:
    """Store those bodies that are large under the next of `names`, and return all as chunks.

    It is done before anything is locked; what no row names in the end is for upkeep to remove.
    """
    chunks = []
    for uid, body in given.items():
        if len(body) <= SMALL:
            chunks.append(NewChunk(uid, len(body), None, body))
            continue
        name = next(names)
        await bodies.put(name, one_piece(body))
        chunks.append(NewChunk(uid, len(body), name, None))
    return chunks


async def find_missing(db: AsyncSession, collection: int, uids: Collection[str]) -> set[str]:
    """Return which of `uids` the collection has no chunk of."""
    missing, asked = set(uids), list(uids)
    for start in range(0, len(asked), _SLICE):
        found = select(Chunk.uid).where(
            Chunk.collection == collection, Chunk.uid.in_(asked[start : start + _SLICE])
        )
        missing.difference_update(await db.scalars(found))
    return missing


async def add_chunks(db: AsyncSession, collection: int, chunks: Iterable[NewChunk]) -> None:
    """Add chunks that a locked collection lacks."""
    rows = [
        {
            "collection": collection,
            "uid": chunk.uid,
            "length": chunk.length,
            "stored": chunk.stored,
            "body": chunk.body,
        }
        for chunk in chunks
    ]
    if rows:
        await (await db.connection()).execute(insert(Chunk), rows)


async def load_lengths(db: AsyncSession, collection: int, uids: Sequence[str]) -> dict[str, int]:
    """Return how many bytes each of `uids` has."""
    return {
        uid: length
        for start in range(0, len(uids), _SLICE)
        for uid, length in await db.execute(
            select(Chunk.uid, Chunk.length).where(
                Chunk.collection == collection, Chunk.uid.in_(uids[start : start + _SLICE])
            )
        )
    }


async def load_bodies(
    db: AsyncSession, bodies: Bodies, collection: int, uids: Sequence[str]
) -> dict[str, bytes]:
    """Return the bodies of `uids`; raises CloudError where the store has lost one."""
    found: dict[str, bytes] = {}
    for start in range(0, len(uids), _SLICE):
        rows = select(Chunk.uid, Chunk.length, Chunk.stored, Chunk.body).where(
            Chunk.collection == collection, Chunk.uid.in_(uids[start : start + _SLICE])
        )
        for uid, length, stored, body in (await db.execute(rows)).all():
            found[uid] = await _load(bodies, length, stored, body)
    return found


async def load_chunk(db: AsyncSession, bodies: Bodies, collection: int, uid: str) -> bytes:
    """Return the body of one chunk; raises CloudError where there is none."""
    found = await load_bodies(db, bodies, collection, [uid])
    if uid not in found:
        raise not_found("chunk")
    return found[uid]


async def _load(bodies: Bodies, length: int, stored: str | None, body: bytes | None) -> bytes:
    if stored is None:
        return body or b""
    try:
        return b"".join([piece async for piece in bodies.get(stored, 0, length)])
    except FileNotFoundError as error:
        raise CloudError(
            500, "chunk_lost", "a chunk of this item is lost; the operator has to restore it."
        ) from error
