"""Bodies as the database names them: where each is stored, and what it has to be."""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.blobs.names import CONFIG
from server.cloud.records.chunks import matches_name
from server.cloud.storage.bodies import Bodies
from server.cloud.storage.models import Blob, Chunk
from server.storage.database import Sessions
from server.storage.errors import StorageError

PAGE = 1000


@dataclass(frozen=True, slots=True)
class NamedBody:
    """A body that a row names: its name in the store, its length in bytes, and its sha256.

    `sha256` is hexadecimal; None where the stored name ends with the hash, and "" for a vault's
    config, which has none.
    """

    stored: str
    length: int
    sha256: str | None

    def matches(self, digest: "hashlib._Hash") -> bool:
        """Answer whether the hash of a body is this one's."""
        if self.sha256 is None:
            return matches_name(self.stored, digest.digest())
        return self.sha256 in {"", digest.hexdigest()}

    async def verified(self, pieces: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """Yield the pieces; raises DamagedError at the end unless they are this body."""
        digest, length = hashlib.sha256(), 0
        async for piece in pieces:
            digest.update(piece)
            length += len(piece)
            yield piece
        if length != self.length or not self.matches(digest):
            raise DamagedError(f"the body {self.stored} is not what it was.")


class DamagedError(StorageError):
    """A body that is there has other bytes than it had."""


async def pages_of_named(database: Sessions) -> AsyncIterator[list[NamedBody]]:
    """Yield all bodies that rows name, in pages."""
    blobs = select(Blob.id, Blob.stored, Blob.length, Blob.name)
    chunks = select(Chunk.id, Chunk.stored, Chunk.length).where(Chunk.stored.is_not(None))
    async for page in _pages(database, blobs, Blob.id):
        yield [NamedBody(row[1], row[2], "" if row[3] == CONFIG else row[3]) for row in page]
    async for page in _pages(database, chunks, Chunk.id):
        yield [NamedBody(row[1], row[2], None) for row in page]


async def find_named(db: AsyncSession, names: list[str]) -> dict[str, int]:
    """Return the length of each of these bodies that a row names."""
    found: dict[str, int] = {}
    for query in (select(Blob.stored, Blob.length), select(Chunk.stored, Chunk.length)):
        rows = await db.execute(query.where(query.selected_columns[0].in_(names)))
        found.update((str(row[0]), row[1]) for row in rows)
    return found


async def copy_missing(source: Bodies, target: Bodies, database: Sessions) -> int:
    """Copy those bodies that rows name and `target` lacks; returns how many.

    Raises FileNotFoundError or DamagedError at the first that is not whole.
    """
    there = {each.name: each.length async for page in target.pages() for each in page}
    count = 0
    async for page in pages_of_named(database):
        for body in page:
            if there.get(body.stored) != body.length:
                pieces = source.get(body.stored, 0, body.length)
                await target.put(body.stored, body.verified(pieces))
                count += 1
    return count


async def _pages(
    database: Sessions,
    query: Select[*tuple[Any, ...]],
    key: Any,  # noqa: ANN401 - a column
) -> AsyncIterator[list[Any]]:
    """Yield pages of rows, each from a session of its own: what is done with one may take long."""
    after = 0
    while True:
        async with database() as db:
            rows = (await db.execute(query.where(key > after).order_by(key).limit(PAGE))).all()
        if not rows:
            return
        yield list(rows)
        after = rows[-1][0]
