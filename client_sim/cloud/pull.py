"""Download changes from the server, and merge them with changes on the phone.

The cursor is stored in the same transaction that applies a page, so a crash repeats a page but
never skips one. Responses that an honest server never gives are refused before they are stored: a
revision that had been replaced, a record that none of the owner's devices wrote, an endless list.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import msgspec

from client_sim.cloud import contacts, wire
from client_sim.cloud.account import Cloud
from client_sim.cloud.errors import DeceivedError, RecordError, RefusedError
from client_sim.cloud.kinds import KINDS, Kind
from client_sim.cloud.records import UID, Revision, decode_item, encode_uid, open_collection
from client_sim.cloud.service import Service
from client_sim.cloud.store import CollectionRow, Conflict, Row

PAGE: Final = 100
_COLLECTIONS: Final = 50


@dataclass(slots=True)
class Report:
    """The result of a synchronisation: counts by type, and messages to the owner.

    `missing` counts records that the server lost. `say` and `progress` are called as it proceeds.
    """

    received: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    conflicts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    missing: int = 0
    say: Callable[[str], None] = field(default=lambda _sentence: None)
    progress: Callable[[int, int], None] = field(default=lambda _done, _total: None)


class Puller:
    """Downloads and merges one type.

    With `upload_missing`, the phone's records overwrite an older state of the server.
    """

    def __init__(
        self,
        cloud: Cloud,
        service: Service,
        kind: Kind,
        report: Report,
        *,
        upload_missing: bool = False,
    ) -> None:
        self._cloud = cloud
        self._store = cloud.store
        self._service = service
        self._kind = kind
        self._report = report
        self._upload_missing = upload_missing

    def pull(self) -> None:
        """Download all changed collections of the type; raises CloudError."""
        try:
            self._list_collections()
        except RefusedError as refusal:
            if refusal.code != "bad_stoken":
                raise
            self._list_from_start()
            self._list_collections()
        for collection in self._store.collections(self._kind.name):
            if collection.changed:
                self._pull_collection(collection)

    def _list_from_start(self) -> None:
        """List everything from the start, since the server rejects the cursor after a restore."""
        with self._store.transaction():
            self._store.set_cursor(self._kind.name, None)
            for collection in self._store.collections(self._kind.name):
                self._store.begin_relisting(collection.uid)

    def _list_collections(self) -> None:
        account, store = self._cloud.keys, self._store
        sealed = account.type_of(self._kind.collection)
        body = {"collectionTypes": [sealed]}
        path = f"collection/list_multi/?limit={_COLLECTIONS}"
        cursor = store.cursor(self._kind.name)
        found = set()
        for page in self._service.pages("POST", path, wire.CollectionPage, body, cursor):
            with store.transaction():
                for each in page.data:
                    if each.item.content.deleted:
                        store.remove_collection(each.item.uid, keep_records=False)
                        continue
                    keys, uid = open_collection(account, sealed, each), each.item.uid
                    found.add(uid)
                    store.put_collection(uid, self._kind.name, b"".join(keys))
                for removed in page.removedMemberships or ():
                    self._forget_collection(removed.uid)
                store.set_cursor(self._kind.name, page.stoken)
        if cursor is None:
            for known in store.collections(self._kind.name):
                if known.uid not in found:
                    self._forget_collection(known.uid)

    def _forget_collection(self, uid: str) -> None:
        known = {each.uid for each in self._store.collections(self._kind.name)}
        if uid in known:
            self._store.remove_collection(uid, keep_records=True)
            self._report.warnings.append(
                f"The server no longer has a collection of {self._kind.name}s; your phone keeps"
                " its records and will upload them again."
            )

    def _pull_collection(self, collection: CollectionRow) -> None:
        """Download the changed items of a collection, page by page."""
        base, stoken = f"collection/{collection.uid}/item/?limit={PAGE}", collection.stoken
        while True:
            query = f"&stoken={stoken}" if stoken else ""
            try:
                page = self._service.records("GET", base + query, wire.ItemPage)
            except RefusedError as refusal:
                if refusal.code != "bad_stoken" or stoken is None:
                    raise
                self._store.begin_relisting(collection.uid)
                collection, stoken = replace(collection, relisting=True), None
                continue
            if not page.done and (not page.data or page.stoken == stoken):
                raise DeceivedError("The server's list of records does not end.")
            opened = [(item, self._open(collection, item)) for item in page.data]
            with self._store.transaction():
                for item, revision in opened:
                    self._apply(collection, item, revision)
                self._store.set_stoken(collection.uid, page.stoken, changed=not page.done)
                if page.done and collection.relisting:
                    self._find_missing(collection)
            stoken = page.stoken
            if page.done:
                return

    def _open(self, collection: CollectionRow, item: wire.Item) -> Revision:
        def fetch(uid: str) -> bytes:
            return self._service.chunk(collection.uid, item.uid, uid)

        known = self._store.find(item.uid)
        if known is not None and known.type != self._kind.name:
            raise DeceivedError("The server gave a record of another type.")
        return decode_item(collection.key_list, item, fetch)

    def _apply(self, collection: CollectionRow, item: wire.Item, revision: Revision) -> None:
        """Merge and store one revision; raises DeceivedError for an older one."""
        store, etag = self._store, item.content.uid
        try:
            theirs = None if revision.deleted else self._kind.decode(revision)
        except RecordError as error:  # written by another program; it stays on the server
            self._report.failures.append(f"{error} It is skipped.")
            return
        row = store.find(item.uid)
        if row is None and theirs is not None:
            row = self._find_match(item.uid, theirs)
        if row is None:
            row = Row(item.uid, self._kind.name, collection.uid, None)
        store.mark_seen(item.uid)
        if row.etag == etag:
            return
        is_older = store.is_former(item.uid, etag)
        if is_older:
            self._check_older(row)
        self._report.received[self._kind.name] += 1
        store.add_former(item.uid, row.etag)
        if is_older:  # the phone's version will overwrite it
            row = replace(row, base=theirs)
        elif row.sent_etag == etag:  # the response to this phone's upload was lost
            row = replace(row, base=row.sent_body)
        else:
            row = self._merge(row, theirs, revision.mtime)
            row = replace(row, base=theirs)
        row = replace(
            row,
            collection=collection.uid,
            etag=etag,
            meta=msgspec.msgpack.encode(revision.meta),
            item_key=item.encryptionKey,
            sent_etag=None,
            sent_body=None,
        )
        store.put(row)
        store.mark_seen(item.uid)

    def _merge(self, row: Row, theirs: bytes | None, mtime: int) -> Row:
        """Return the record with the changes of both sides; its base is not updated."""
        mine, kind = row.body, self._kind
        if not row.changed or mine == theirs:
            return replace(row, body=theirs, at=mtime or row.at)
        if theirs is None or mine is None:
            if kind.deletion_wins:
                return replace(row, body=None)
            remaining = theirs if mine is None else mine
            name = kind.describe(remaining or b"")
            self._record_conflict(
                row, f"{name} was deleted on one device and changed on another; it is kept."
            )
            return replace(row, body=remaining)
        day = f"{datetime.fromtimestamp(self._cloud.now, UTC):%Y-%m-%d}"
        outcome = kind.merge(row.base, mine, theirs, row.at >= mtime, day)
        if outcome.sentence:
            self._record_conflict(row, outcome.sentence, outcome.lost)
        if outcome.copy is not None:
            uid = encode_uid(self._cloud.entropy(UID))
            self._store.put(Row(uid, kind.name, row.collection, outcome.copy, at=row.at))
        return replace(row, body=outcome.body)

    def _find_match(self, uid: str, theirs: bytes) -> Row | None:
        """Return this phone's unsent record of the same contact, if any, renamed to `uid`."""
        if self._kind.name != "contact":
            return None
        for row in self._store.changed("contact"):
            is_unsent = row.etag is None and row.sent_etag is None
            if is_unsent and row.body and contacts.is_same_person(row.body, theirs):
                self._store.remove(row.uid)
                return replace(row, uid=uid)
        return None

    def _check_older(self, row: Row) -> None:
        """Raise DeceivedError unless the owner chose to overwrite older states."""
        name = self._kind.describe(row.body or row.base or b"")
        if not self._upload_missing:
            raise DeceivedError(
                f"The server gave an older version of {name} as the newest; it was not used. If the"
                " server was restored from a backup, run `cloud sync --upload-missing`."
            )

    def _find_missing(self, collection: CollectionRow) -> None:
        """Handle records that the server had and no longer lists, although not deleted."""
        missing = [row for row in self._store.end_relisting(collection.uid) if row.body is not None]
        if not missing:
            return
        if self._upload_missing:
            for row in missing:
                self._store.put(replace(row, etag=None, base=None, meta=None, item_key=None))
            return
        self._report.missing += len(missing)
        # List again the next time, so that the owner can still choose to upload them.
        self._store.begin_relisting(collection.uid)
        names = ", ".join(self._kind.describe(row.body or b"") for row in missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        self._report.warnings.append(
            f"The server has lost {names}{more}, although they were not deleted. Your phone still"
            " has them; `cloud sync --upload-missing` uploads them again."
        )

    def _record_conflict(self, row: Row, sentence: str, replaced: bytes | None = None) -> None:
        self._report.conflicts.append(sentence)
        self._store.add_conflict(
            Conflict(row.uid, self._kind.name, self._cloud.now, sentence, replaced)
        )


def pull(
    cloud: Cloud, service: Service, kind: str, report: Report, *, upload_missing: bool = False
) -> None:
    """Download and merge one type; raises CloudError."""
    Puller(cloud, service, KINDS[kind], report, upload_missing=upload_missing).pull()
