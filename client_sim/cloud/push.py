"""Upload changes from the phone, in batches that replace only the revisions that it knows.

Before it sends a batch, the phone stores the batch's revisions. If the response is lost, the next
download finds those revisions on the server and recognises them. So nothing is duplicated, and
changes that were made meanwhile are not lost.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import msgspec

from client_sim.cloud import wire
from client_sim.cloud.account import Cloud
from client_sim.cloud.errors import CloudError, RefusedError
from client_sim.cloud.keys import Keys, kdf, unseal
from client_sim.cloud.kinds import KINDS, Kind
from client_sim.cloud.pull import Report, pull
from client_sim.cloud.records import (
    UID,
    Revision,
    encode_item,
    encode_item_under,
    encode_uid,
    make_collection,
)
from client_sim.cloud.service import Service
from client_sim.cloud.store import CollectionRow, Row

BATCH: Final = 100
_BYTES: Final = 8 * 1024 * 1024
"""Maximum bytes of contents in a batch; the server's limit is 16 MiB with padding and metadata."""
_MAX_RECORD: Final = 12 * 1024 * 1024
_TRIES: Final = 5


def push(cloud: Cloud, service: Service, kind_name: str, report: Report) -> list[Row]:
    """Upload all changes of a type; returns the records as the server has them now.

    If another device wrote meanwhile, downloads and merges its changes and tries again, at most
    five times. Raises CloudError.
    """
    kind = KINDS[kind_name]
    written: list[Row] = []
    total, done = sum(len(row.body or b"") for row in cloud.store.changed(kind_name)), 0
    for _ in range(_TRIES):
        try:
            while batch := _choose(cloud, kind, report):
                collection = _find_collection(cloud, service, kind, batch[0].collection)
                written += _send(cloud, service, kind, collection, batch)
                report.sent[kind.name] += len(batch)
                done += sum(len(row.body or b"") for row in batch)
                report.progress(min(done, total), total)
        except RefusedError as refusal:
            if refusal.status != 409:
                raise
            pull(cloud, service, kind_name, report)
            continue
        if written:
            with suppress(RefusedError):  # then the next synchronisation downloads them again
                _skip_own(cloud, service, kind)
        return written
    raise CloudError(f"Other devices keep changing {kind.name}s; try again later.")


def _choose(cloud: Cloud, kind: Kind, report: Report) -> list[Row]:
    """Return the next records to upload, all for one collection."""
    chosen: list[Row] = []
    size = 0
    known = {each.uid for each in cloud.store.collections(kind.name)}
    for row in cloud.store.changed(kind.name):
        length = len(row.body or b"")
        if length > _MAX_RECORD:
            sentence = f"{kind.describe(row.body or b'')} is too large to upload."
            if sentence not in report.failures:
                report.failures.append(sentence)
            continue
        target = row.collection if row.collection in known else None
        if chosen and (target != chosen[0].collection or size + length > _BYTES):
            continue
        chosen.append(replace(row, collection=target))
        size += length
        if len(chosen) == BATCH:
            break
    return chosen


def _find_collection(cloud: Cloud, service: Service, kind: Kind, uid: str | None) -> CollectionRow:
    """Return the collection `uid`; if it is None, the first of the type. Create it if missing."""
    found = cloud.store.collections(kind.name)
    for each in found:
        if uid in {None, each.uid}:
            return each
    request, key = make_collection(cloud.keys, kind.collection, kind.title, cloud.entropy)
    service.records("POST", "collection/", None, request)
    with cloud.store.transaction():
        cloud.store.put_collection(request["item"].uid, kind.name, key)
    return cloud.store.collections(kind.name)[0]


def _send(
    cloud: Cloud, service: Service, kind: Kind, collection: CollectionRow, rows: Sequence[Row]
) -> list[Row]:
    items = [_encode(cloud, kind, collection, row) for row in rows]
    with cloud.store.transaction():
        for row, item in zip(rows, items, strict=True):
            current = cloud.store.find(row.uid)  # the owner may have changed it meanwhile
            if current is not None:
                sent = replace(current, collection=row.collection, sent_body=row.body)
                cloud.store.put(replace(sent, sent_etag=item.content.uid))
    path = f"collection/{collection.uid}/item/transaction/"
    service.records("POST", path, None, {"items": items})
    written = []
    with cloud.store.transaction():
        for row, item in zip(rows, items, strict=True):
            cloud.store.add_former(row.uid, row.etag)
            current = cloud.store.find(row.uid) or replace(row, body=None)
            stored = replace(
                current,
                collection=collection.uid,
                base=row.body,
                etag=item.content.uid,
                sent_etag=None,
                sent_body=None,
            )
            cloud.store.put(stored)
            written.append(stored)
    return written


def _encode(cloud: Cloud, kind: Kind, collection: CollectionRow, row: Row) -> wire.Item:
    """Encrypt a record's current version, or its deletion."""
    meta: dict[str, Any] = {}
    if row.meta is not None:  # keep the members that other clients added
        meta = msgspec.msgpack.decode(row.meta, type=dict[str, Any])
    content = b""
    if row.body is not None:
        name, content = kind.encode(row.body)
        meta |= {"name": name} if name else {}
    meta["mtime"] = row.at
    revision = Revision(content, meta, deleted=row.body is None)
    if row.item_key is None:
        return encode_item(collection.keys[:32], row.uid, revision, cloud.entropy, row.etag)
    for key in collection.key_list:
        try:
            own = unseal(kdf(key, 1, "Col"), row.item_key)[:32]
        except CloudError:
            continue
        keys = Keys.derive(own, "ColItem")
        return encode_item_under(keys, row.uid, revision, cloud.entropy, row.etag, row.item_key)
    raise CloudError(f"The key of {kind.describe(row.body or b'')} can no longer be decrypted.")


def _skip_own(cloud: Cloud, service: Service, kind: Kind) -> None:
    """Advance the cursors past the revisions just written, so that they are not downloaded.

    Lists the items without contents. A page is skipped only if this phone knows all its revisions.
    """
    for collection in cloud.store.collections(kind.name):
        stoken, is_done = collection.stoken, collection.relisting
        while not is_done:
            query = f"?limit=500&prefetch=medium{f'&stoken={stoken}' if stoken else ''}"
            path = f"collection/{collection.uid}/item/{query}"
            page = service.records("GET", path, wire.ItemPage)
            known = [cloud.store.find(item.uid) for item in page.data]
            if not page.data or any(
                row is None or row.etag != item.content.uid
                for row, item in zip(known, page.data, strict=True)
            ):
                break
            stoken, is_done = page.stoken, page.done
            cloud.store.set_stoken(collection.uid, stoken, changed=not is_done)


def new_uid(cloud: Cloud) -> str:
    """Return a random uid for a new record."""
    return encode_uid(cloud.entropy(UID))
