"""Read collections, items, updates of known items, and revisions.

A page of items ends after `limit` entries or `PAGE_BYTES` of chunk bodies, whichever comes first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Row, Select, and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.errors import not_found
from server.cloud.records import wire
from server.cloud.records.access import Place
from server.cloud.records.chunks import load_bodies, load_lengths
from server.cloud.records.wire import Cursor, decode_changes, decode_sequence, encode_cursor
from server.cloud.storage.bodies import Bodies
from server.cloud.storage.models import Account, Collection, Item, Member, Revision

PAGE_BYTES = 8 * 1024 * 1024
AnyRow = Row[*tuple[Any, ...]]
_ITEM = (
    Item.id,
    Item.uid,
    Item.version,
    Item.key,
    Item.sequence,
    Item.etag,
    Item.meta,
    Item.deleted,
    Item.chunks,
)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads for `account` in the session `db`.

    `wants_bodies` includes chunk bodies in the results; it is the client's `prefetch`.
    """

    db: AsyncSession
    bodies: Bodies
    generation: bytes
    account: str
    wants_bodies: bool

    async def list_collections(
        self, types: Sequence[bytes] | None, stoken: str | None, limit: int
    ) -> wire.CollectionList:
        """Return the collections that changed since `stoken`, of `types` or of all types."""
        since = decode_changes(stoken, self.generation, self.account)
        changes = await self.db.scalar(select(Account.changes).where(Account.id == self.account))
        query = self._collections().where(Member.change > since).order_by(Member.change)
        if types is not None:
            query = query.where(Member.type.in_(types))
        rows = (await self.db.execute(query.limit(limit + 1))).all()
        done = len(rows) <= limit
        data = [await self._to_collection(row) for row in rows[:limit]]
        position = changes if done else rows[limit - 1].change
        removed: list[wire.Removed] = []
        if stoken is not None:
            ended = (
                select(Collection.uid)
                .join(Member, Member.collection == Collection.id)
                .where(Member.account == self.account, Member.ended.is_(True))
                .where(Member.change > since)
            )
            removed = [wire.Removed(uid) for uid in await self.db.scalars(ended)]
        cursor = Cursor(self.generation, account=self.account, changes=position or 0)
        return wire.CollectionList(data, encode_cursor(cursor), done, removed or None)

    async def find_collection(self, uid: str) -> wire.Collection:
        """Return one collection; raises CloudError unless the account is a member."""
        query = self._collections().where(Collection.uid == uid)
        row = (await self.db.execute(query)).one_or_none()
        if row is None:
            raise not_found("collection")
        return await self._to_collection(row)

    async def list_items(
        self, place: Place, stoken: str | None, limit: int, *, with_collection: bool
    ) -> wire.ItemList:
        """Return the items that changed since `stoken`, in the order of their changes."""
        since = decode_sequence(stoken, self.generation, place.uid)
        query = select(*_ITEM).where(Item.collection == place.id, Item.sequence > since)
        if not with_collection:
            query = query.where(Item.uid != place.uid)
        found = (await self.db.execute(query.order_by(Item.sequence).limit(limit + 1))).all()
        rows = await self._cut(place.id, found[:limit])
        done = len(rows) == len(found)
        sequence = place.sequence if done else rows[-1].sequence
        return wire.ItemList(await self._to_items(place.id, rows), self._at(place, sequence), done)

    async def list_updates(
        self, place: Place, known: Sequence[wire.Known], stoken: str | None
    ) -> wire.ItemList:
        """Return the items in `known` that changed since `stoken`.

        Without `stoken`, returns those whose etag differs.
        """
        query = select(*_ITEM).where(
            Item.collection == place.id, Item.uid.in_(each.uid for each in known)
        )
        if stoken is not None:
            since = decode_sequence(stoken, self.generation, place.uid)
            query = query.where(Item.sequence > since)
        etags = {each.uid: each.etag for each in known}
        rows = [
            row
            for row in (await self.db.execute(query.order_by(Item.sequence))).all()
            if stoken is not None or etags[row.uid] != row.etag
        ]
        data = await self._to_items(place.id, rows)
        return wire.ItemList(data, self._at(place, place.sequence), done=True)

    async def find_item(self, place: Place, uid: str) -> wire.Item:
        """Return one item; raises CloudError if there is none."""
        return (await self._to_items(place.id, [await self._find(place, uid)]))[0]

    async def list_revisions(
        self, place: Place, uid: str, iterator: str | None, limit: int
    ) -> wire.RevisionList:
        """Return an item's revisions, newest first; only those older than `iterator` if given."""
        item = await self._find(place, uid)
        older: Select[*tuple[Any, ...]] = select(
            Revision.sequence, Revision.etag, Revision.meta, Revision.deleted, Revision.chunks
        ).where(Revision.item == item.id)
        rows = [item, *(await self.db.execute(older.order_by(Revision.sequence.desc()))).all()]
        if iterator is not None:
            at = [row.etag for row in rows]
            if iterator not in at:
                raise not_found("revision")
            rows = rows[at.index(iterator) + 1 :]
        page = rows[:limit]
        bodies = await self._load(place.id, page)
        data = [_to_content(row, bodies) for row in page]
        return wire.RevisionList(data, data[-1].uid if data else None, done=len(rows) <= limit)

    async def _find(self, place: Place, uid: str) -> AnyRow:
        query = select(*_ITEM).where(Item.collection == place.id, Item.uid == uid)
        row = (await self.db.execute(query)).one_or_none()
        if row is None:
            raise not_found("item")
        return row

    def _collections(self) -> Select[*tuple[Any, ...]]:
        return (
            select(
                *_ITEM,
                Collection.id.label("place"),
                Collection.sequence.label("at"),
                Member.access,
                Member.key.label("collection_key"),
                Member.type,
                Member.change,
            )
            .join(Collection, Collection.id == Member.collection)
            .join(Item, and_(Item.collection == Collection.id, Item.uid == Collection.uid))
            .where(Member.account == self.account, Member.ended.is_(False))
        )

    async def _to_collection(self, row: AnyRow) -> wire.Collection:
        cursor = Cursor(self.generation, self.account, row.change, row.uid, row.at)
        item = (await self._to_items(row.place, [row]))[0]
        return wire.Collection(
            item, row.access, row.collection_key, row.type, encode_cursor(cursor)
        )

    async def _to_items(self, collection: int, rows: Sequence[AnyRow]) -> list[wire.Item]:
        bodies = await self._load(collection, rows)
        return [
            wire.Item(row.uid, row.version, _to_content(row, bodies), row.key, row.etag)
            for row in rows
        ]

    async def _load(self, collection: int, rows: Sequence[AnyRow]) -> dict[str, bytes]:
        if not self.wants_bodies:
            return {}
        uids = list(dict.fromkeys(uid for row in rows for uid in _chunks(row)))
        return await load_bodies(self.db, self.bodies, collection, uids) if uids else {}

    async def _cut(self, collection: int, rows: Sequence[AnyRow]) -> Sequence[AnyRow]:
        """Return the leading rows that fit into a page, at least one."""
        if not self.wants_bodies:
            return rows
        uids = list(dict.fromkeys(uid for row in rows for uid in _chunks(row)))
        lengths = await load_lengths(self.db, collection, uids) if uids else {}
        total = 0
        for number, row in enumerate(rows):
            total += sum(lengths.get(uid, 0) for uid in _chunks(row))
            if number and total > PAGE_BYTES:
                return rows[:number]
        return rows

    def _at(self, place: Place, sequence: int) -> str:
        cursor = Cursor(self.generation, collection=place.uid, sequence=sequence)
        return encode_cursor(cursor)


def _chunks(row: AnyRow) -> list[str]:
    return msgspec.msgpack.decode(row.chunks, type=list[str])


def _to_content(row: AnyRow, bodies: dict[str, bytes]) -> wire.Content:
    chunks = [wire.Chunk(uid, bodies.get(uid)) for uid in _chunks(row)]
    return wire.Content(row.etag, row.meta, chunks, row.deleted)
