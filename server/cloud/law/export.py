"""Export an account as one ZIP, in stored form: ciphertext, wrapped keys, and receipts.

    account.msgpack                   name, salt, wrapped keys and public key
    policies/N.note                   policies of the region
    receipts/TIME-ID.note             receipts
    receipts/TIME-ID.json             the statement that the device signed, if any
    collections/UID/collection.msgpack    the wrapped key and type of the collection
    collections/UID/items             items with their revisions
    collections/UID/chunks            pairs of uid and body
    vaults/NAME/…                     repositories that `restic -r` opens
    manifest.json                     the sha256 of each file above

Items and chunks are msgpack values, each preceded by its length in four bytes, big-endian. Entries
are not compressed, as ciphertext does not compress, and have a fixed time, so the same content
gives the same bytes. The ZIP is streamed while the data is read.
"""

import hashlib
import io
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.accounts.owners import load_owner, refuse_closed
from server.cloud.blobs.vaults import CONFIG, LOCKS, TYPES
from server.cloud.law.consents import list_consents
from server.cloud.records.chunks import load_bodies
from server.cloud.routing import Services
from server.cloud.storage.bodies import one_piece
from server.cloud.storage.models import Blob, Chunk, Collection, Item, Member, Revision, Vault
from server.core.encodings import encode_canonical_json

PIECE = 256 * 1024
ROWS, BODIES = 200, 8
"""Item rows, and chunks, in memory at a time."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a ZIP entry can have."""


async def export_account(services: Services, account: str) -> AsyncIterator[bytes]:
    """Yield the bytes of the ZIP; raises HeningError or OSError if a body cannot be read."""
    archive = _Archive()
    async for name, pieces in _entries(services, account):
        archive.begin(name)
        async for piece in pieces:
            archive.add(piece)
            if archive.waiting >= PIECE:
                yield archive.take()
    archive.begin("manifest.json")
    archive.add(encode_canonical_json(archive.digests))
    archive.end()
    yield archive.take()


Entry = tuple[str, AsyncIterator[bytes]]


async def _entries(services: Services, account: str) -> AsyncIterator[Entry]:
    async with services.database() as db:
        owner = await load_owner(db, services.secrets, account)
        consents = await list_consents(db, account)
        query = select(Collection.id, Collection.uid, Member.key, Member.type).join(
            Member, Member.collection == Collection.id
        )
        query = query.where(Collection.owner == account, Member.account == account)
        collections = (await db.execute(query.order_by(Collection.uid))).all()
        vaults = (
            await db.execute(
                select(Vault.id, Vault.name).where(Vault.account == account).order_by(Vault.name)
            )
        ).all()
    if owner is None:
        raise refuse_closed()
    keys = {
        "username": owner.name,
        "salt": owner.salt,
        "encryptedContent": owner.wrap,
        "pubkey": owner.public_key,
    }
    yield "account.msgpack", one_piece(msgspec.msgpack.encode(keys))
    for signed in await services.law.policies.load(services.now()):
        yield f"policies/{signed.policy.version}.note", one_piece(signed.note)
    for row in consents:
        yield f"receipts/{row.at}-{row.id}.note", one_piece(row.receipt)
        if row.statement is not None:
            yield f"receipts/{row.at}-{row.id}.json", one_piece(row.statement)
    for number, uid, key, kind in collections:
        folder = f"collections/{uid}"
        head = {"uid": uid, "collectionKey": key, "collectionType": kind}
        yield f"{folder}/collection.msgpack", one_piece(msgspec.msgpack.encode(head))
        yield f"{folder}/items", _items(services, number)
        yield f"{folder}/chunks", _chunks(services, number)
    for number, name in vaults:
        async for entry in _vault(services, number, f"vaults/{name}"):
            yield entry


async def _items(services: Services, collection: int) -> AsyncIterator[bytes]:
    query = select(Item).where(Item.collection == collection).order_by(Item.id).limit(ROWS)
    last = 0
    while True:
        async with services.database() as db:
            rows = (await db.scalars(query.where(Item.id > last))).all()
            older = await _load_revisions(db, [row.id for row in rows])
        if not rows:
            return
        for row in rows:
            value = {
                "uid": row.uid,
                "version": row.version,
                "encryptionKey": row.key,
                "revisions": [_content(each) for each in (row, *older.get(row.id, ()))],
            }
            yield _framed(value)
        last = rows[-1].id


async def _load_revisions(db: AsyncSession, items: list[int]) -> dict[int, list[Revision]]:
    query = select(Revision).where(Revision.item.in_(items)).order_by(Revision.sequence.desc())
    found: dict[int, list[Revision]] = {}
    for row in await db.scalars(query):
        found.setdefault(row.item, []).append(row)
    return found


def _content(row: Item | Revision) -> dict[str, Any]:
    chunks = msgspec.msgpack.decode(row.chunks)
    return {"uid": row.etag, "meta": row.meta, "deleted": row.deleted, "chunks": chunks}


async def _chunks(services: Services, collection: int) -> AsyncIterator[bytes]:
    query = select(Chunk.uid).where(Chunk.collection == collection).order_by(Chunk.uid)
    last = ""
    while True:
        async with services.database() as db:
            uids = (await db.scalars(query.where(Chunk.uid > last).limit(BODIES))).all()
            found = await load_bodies(db, services.bodies, collection, uids)
        if not uids:
            return
        for uid in uids:
            yield _framed([uid, found[uid]])
        last = uids[-1]


async def _vault(services: Services, vault: int, folder: str) -> AsyncIterator[Entry]:
    """Yield a vault in restic's local layout, without locks, which would be stale."""
    for kind in TYPES:
        yield f"{folder}/{kind}/", one_piece(b"")
    query = (
        select(Blob.id, Blob.type, Blob.name, Blob.length, Blob.stored)
        .where(Blob.vault == vault, Blob.type != LOCKS)
        .order_by(Blob.id)
        .limit(ROWS)
    )
    last = 0
    while True:
        async with services.database() as db:
            rows = (await db.execute(query.where(Blob.id > last))).all()
        if not rows:
            return
        for row in rows:
            place = {
                CONFIG: row.name,
                "data": f"data/{row.name[:2]}/{row.name}",
            }.get(row.type, f"{row.type}/{row.name}")
            yield f"{folder}/{place}", services.bodies.get(row.stored, 0, row.length)
        last = rows[-1].id


def _framed(value: object) -> bytes:
    """Return a msgpack value preceded by its length, so that a file can hold several."""
    packed = msgspec.msgpack.encode(value)
    return len(packed).to_bytes(4, "big") + packed


class _Archive:
    """A ZIP that is written in memory and taken out piece by piece."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_STORED)
        self._entry: Any = None
        self._name = ""
        self._digest = hashlib.sha256()
        self.digests: dict[str, str] = {}

    @property
    def waiting(self) -> int:
        """The number of bytes that `take` would return."""
        return len(self._sink.buffer)

    def begin(self, name: str) -> None:
        """End the current entry, if any, and begin another one."""
        self._end_entry()
        self._name, self._digest = name, hashlib.sha256()
        self._entry = self._zip.open(zipfile.ZipInfo(name, EPOCH), "w", force_zip64=True)

    def add(self, piece: bytes) -> None:
        """Add bytes to the current entry."""
        self._digest.update(piece)
        self._entry.write(piece)

    def take(self) -> bytes:
        """Return the bytes written since the last call."""
        data, self._sink.buffer = bytes(self._sink.buffer), bytearray()
        return data

    def end(self) -> None:
        """Write the central directory and close the ZIP."""
        self._end_entry()
        self._zip.close()

    def _end_entry(self) -> None:
        if self._entry is not None:
            self._entry.close()
            if not self._name.endswith("/"):
                self.digests[self._name] = self._digest.hexdigest()


class _Sink(io.RawIOBase):
    """Collects the bytes that a ZipFile writes; not seekable."""

    def __init__(self) -> None:
        super().__init__()
        self.buffer = bytearray()

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        """Append bytes."""
        self.buffer += data
        return len(data)
