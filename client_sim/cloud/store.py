"""The cloud client's state: one SQLite file below `personal/`.

Each method that changes something is one transaction and durable when it returns. So a power
failure leaves the state before or after it. A factory reset removes the file with the owner's
other data. The file has its own lock: polling for updates does not wait for it.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client_sim.cloud.errors import StoreError

FOLDER: Final = "cloud"
_FILE: Final = "cloud.sqlite"
_LOCK_TIMEOUT: Final = 60.0  # seconds to wait for another command on the same phone
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS cursor (type TEXT PRIMARY KEY, stoken TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS collection (
  uid TEXT PRIMARY KEY, type TEXT NOT NULL, keys BLOB NOT NULL, stoken TEXT,
  changed INTEGER NOT NULL, relisting INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS item (
  uid TEXT PRIMARY KEY, type TEXT NOT NULL, collection TEXT, body BLOB, base BLOB, meta BLOB,
  item_key BLOB, at INTEGER NOT NULL, etag TEXT, sent_etag TEXT, sent_body BLOB,
  changed INTEGER NOT NULL, seen INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS item_type ON item (type, changed);
CREATE INDEX IF NOT EXISTS item_body ON item (type, body);
CREATE TABLE IF NOT EXISTS former (
  uid TEXT NOT NULL, etag TEXT NOT NULL, PRIMARY KEY (uid, etag)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS conflict (
  id INTEGER PRIMARY KEY, uid TEXT NOT NULL, type TEXT NOT NULL, at INTEGER NOT NULL,
  sentence TEXT NOT NULL, body BLOB);
CREATE TABLE IF NOT EXISTS receipt (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, note BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS head (device BLOB PRIMARY KEY, number INTEGER NOT NULL);
"""
_ITEM: Final = (
    "uid, type, collection, body, base, meta, item_key, at, etag, sent_etag, sent_body, changed"
)


@dataclass(frozen=True, slots=True)
class Row:
    """A record on the phone.

    `body` is its content, None if it is deleted. `base` is the content of the last synchronised
    revision `etag`, None if that was deleted or there is none. `sent_etag` and `sent_body` belong
    to a revision whose upload has begun. `at` is the time of the owner's change, in epoch
    milliseconds. `meta` is the metadata of the synchronised revision. `item_key` is the item's own
    wrapped key, which only items of other clients have.
    """

    uid: str
    type: str
    collection: str | None
    body: bytes | None
    base: bytes | None = None
    meta: bytes | None = None
    item_key: bytes | None = None
    at: int = 0
    etag: str | None = None
    sent_etag: str | None = None
    sent_body: bytes | None = None
    changed: bool = False


@dataclass(frozen=True, slots=True)
class CollectionRow:
    """A collection: uid, type, concatenated keys of 32 bytes each, and cursor.

    `changed` means that it has to be downloaded, `relisting` that it is listed from the start.
    """

    uid: str
    type: str
    keys: bytes
    stoken: str | None
    changed: bool
    relisting: bool

    @property
    def key_list(self) -> tuple[bytes, ...]:
        """The keys, with the current one first."""
        return tuple(self.keys[at : at + 32] for at in range(0, len(self.keys), 32))


@dataclass(frozen=True, slots=True)
class Conflict:
    """A conflict between two devices: a sentence, and the version that was not kept."""

    uid: str
    type: str
    at: int
    sentence: str
    body: bytes | None


class Store:
    """The store of the phone in the folder `phone`; group changes with `transaction`."""

    def __init__(self, phone: Path, folder: str = FOLDER) -> None:
        self.folder = phone / "personal" / folder
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self.folder / _FILE
            path.touch(mode=0o600)
            self._db = sqlite3.connect(path, timeout=_LOCK_TIMEOUT, isolation_level=None)
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA secure_delete = ON")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"The phone's cloud database cannot be opened: {error}.") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit the block's changes when it ends, or undo them; nested ones join the outer one."""
        if self._db.in_transaction:
            yield
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(f"The phone's cloud database failed: {error}.") from error

    def get(self, name: str) -> bytes:
        """Return a setting, or empty bytes if it is not set."""
        row = self._run("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return b"" if row is None else bytes(row[0])

    def set(self, name: str, value: bytes) -> None:
        """Store a setting."""
        self._run("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def unset(self, *names: str) -> None:
        """Remove settings."""
        for name in names:
            self._run("DELETE FROM setting WHERE name = ?", (name,))

    def cursor(self, kind: str) -> str | None:
        """Return the cursor of the list of a type's collections, or None."""
        row = self._run("SELECT stoken FROM cursor WHERE type = ?", (kind,)).fetchone()
        return None if row is None else str(row[0])

    def set_cursor(self, kind: str, stoken: str | None) -> None:
        """Store the cursor of a type; None lists from the start the next time."""
        self._run("DELETE FROM cursor WHERE type = ?", (kind,))
        if stoken is not None:
            self._run("INSERT INTO cursor VALUES (?, ?)", (kind, stoken))

    def collections(self, kind: str | None = None) -> list[CollectionRow]:
        """Return the collections of a type, or all, sorted by uid."""
        rows = self._run(
            "SELECT uid, type, keys, stoken, changed, relisting FROM collection"
            " WHERE ?1 IS NULL OR type = ?1 ORDER BY uid",
            (kind,),
        )
        return [
            CollectionRow(uid, name, keys, stoken, bool(changed), bool(relisting))
            for uid, name, keys, stoken, changed, relisting in rows
        ]

    def put_collection(self, uid: str, kind: str, keys: bytes) -> None:
        """Store a collection that changed on the server, and mark it to be downloaded."""
        self._run(
            "INSERT INTO collection (uid, type, keys, changed) VALUES (?, ?, ?, 1)"
            " ON CONFLICT (uid) DO UPDATE SET keys = excluded.keys, changed = 1",
            (uid, kind, keys),
        )

    def set_stoken(self, uid: str, stoken: str | None, *, changed: bool) -> None:
        """Store a collection's cursor; `changed` means that there is more to download."""
        self._run(
            "UPDATE collection SET stoken = ?, changed = ? WHERE uid = ?", (stoken, changed, uid)
        )

    def begin_relisting(self, uid: str) -> None:
        """List a collection from the start again, and record which items the server lists."""
        self._run(
            "UPDATE collection SET stoken = NULL, changed = 1, relisting = 1 WHERE uid = ?", (uid,)
        )
        self._run("UPDATE item SET seen = 0 WHERE collection = ?", (uid,))

    def end_relisting(self, uid: str) -> list[Row]:
        """Return the items that the server had and did not list again."""
        self._run("UPDATE collection SET relisting = 0 WHERE uid = ?", (uid,))
        return self._rows("WHERE collection = ? AND seen = 0 AND etag IS NOT NULL", (uid,))

    def remove_collection(self, uid: str, *, keep_records: bool) -> None:
        """Forget a collection; without `keep_records`, also its records, unless changed here."""
        self._run("DELETE FROM collection WHERE uid = ?", (uid,))
        if not keep_records:
            self._run("DELETE FROM item WHERE collection = ? AND changed = 0", (uid,))
        self._run(
            "UPDATE item SET collection = NULL, etag = NULL, base = NULL, sent_etag = NULL,"
            " sent_body = NULL, item_key = NULL, changed = body IS NOT NULL WHERE collection = ?",
            (uid,),
        )

    def find(self, uid: str) -> Row | None:
        """Return the record with this uid, or None."""
        rows = self._rows("WHERE uid = ?", (uid,))
        return rows[0] if rows else None

    def live(self, kind: str) -> list[Row]:
        """Return the records of a type that are not deleted, sorted by uid."""
        return self._rows("WHERE type = ? AND body IS NOT NULL ORDER BY uid", (kind,))

    def has_body(self, kind: str, body: bytes) -> bool:
        """Return whether a record of a type has exactly this body."""
        query = "SELECT 1 FROM item WHERE type = ? AND body = ? LIMIT 1"
        return self._run(query, (kind, body)).fetchone() is not None

    def changed(self, kind: str) -> list[Row]:
        """Return the records of a type that have to be uploaded, newest first."""
        return self._rows("WHERE type = ? AND changed = 1 ORDER BY at DESC, uid", (kind,))

    def put(self, row: Row) -> None:
        """Store a record; it has to be uploaded if its body and base differ."""
        changed = (row.body is not None) if row.etag is None else row.body != row.base
        self._run(
            f"INSERT OR REPLACE INTO item ({_ITEM}, seen) VALUES ({'?, ' * 12}"  # noqa: S608
            " COALESCE((SELECT seen FROM item WHERE uid = ?), 0))",
            (
                *(row.uid, row.type, row.collection, row.body, row.base, row.meta, row.item_key),
                *(row.at, row.etag, row.sent_etag, row.sent_body, changed, row.uid),
            ),
        )

    def mark_seen(self, uid: str) -> None:
        """Record that the server still has an item."""
        self._run("UPDATE item SET seen = 1 WHERE uid = ?", (uid,))

    def remove(self, uid: str) -> None:
        """Remove a record that the server never had."""
        self._run("DELETE FROM item WHERE uid = ?", (uid,))

    def mark_unsent(self) -> None:
        """Mark all records for upload, because their keys have changed."""
        self._run(
            "UPDATE item SET base = NULL, changed = 1 WHERE etag IS NOT NULL AND body IS NOT NULL"
        )

    def is_former(self, uid: str, etag: str) -> bool:
        """Return whether this phone has seen that a revision was replaced."""
        query = "SELECT 1 FROM former WHERE uid = ? AND etag = ?"
        return self._run(query, (uid, etag)).fetchone() is not None

    def add_former(self, uid: str, etag: str | None) -> None:
        """Record that a revision was replaced."""
        if etag is not None:
            self._run("INSERT OR IGNORE INTO former VALUES (?, ?)", (uid, etag))

    def add_conflict(self, conflict: Conflict) -> None:
        """Store a conflict to show to the owner."""
        self._run(
            "INSERT INTO conflict (uid, type, at, sentence, body) VALUES (?, ?, ?, ?, ?)",
            (conflict.uid, conflict.type, conflict.at, conflict.sentence, conflict.body),
        )

    def conflicts(self) -> list[Conflict]:
        """Return the stored conflicts, oldest first."""
        rows = self._run("SELECT uid, type, at, sentence, body FROM conflict ORDER BY id")
        return [Conflict(*row) for row in rows]

    def forget_conflicts(self) -> None:
        """Remove all stored conflicts."""
        self._run("DELETE FROM conflict")

    def add_receipt(self, kind: str, note: bytes) -> None:
        """Store a signed receipt."""
        self._run("INSERT INTO receipt (kind, note) VALUES (?, ?)", (kind, note))

    def receipts(self) -> list[tuple[str, bytes]]:
        """Return the kind and note of each receipt, oldest first."""
        return [tuple(row) for row in self._run("SELECT kind, note FROM receipt ORDER BY id")]

    def head(self, device: bytes) -> int:
        """Return the number of the newest head seen from a device, 0 for none."""
        row = self._run("SELECT number FROM head WHERE device = ?", (device,)).fetchone()
        return 0 if row is None else int(row[0])

    def set_head(self, device: bytes, number: int) -> None:
        """Store the number of the newest head seen from a device."""
        self._run("INSERT OR REPLACE INTO head VALUES (?, ?)", (device, number))

    def forget_server(self) -> None:
        """Forget all synchronisation state of the server; records and receipts stay."""
        self._run("DELETE FROM cursor")
        self._run("DELETE FROM collection")
        self._run("DELETE FROM former")
        self._run("DELETE FROM head")
        self._run("DELETE FROM item WHERE body IS NULL OR type IN ('keys', 'devices')")
        self._run(
            "UPDATE item SET collection = NULL, base = NULL, etag = NULL, sent_etag = NULL,"
            " sent_body = NULL, item_key = NULL, changed = 1"
        )

    def take_account(self, folder: Path) -> None:
        """Take over the records, settings and cursors of another store; add its receipts."""
        self._run("ATTACH ? AS next", (str(folder / _FILE),))
        with self.transaction():
            self._run("DELETE FROM item")
            self._run("INSERT OR REPLACE INTO setting SELECT * FROM next.setting")
            for table in ("cursor", "collection", "item", "former", "head"):
                self._run(f"INSERT INTO {table} SELECT * FROM next.{table}")  # noqa: S608
            self._run("INSERT INTO receipt (kind, note) SELECT kind, note FROM next.receipt")
        self._run("DETACH next")

    def _run(self, query: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        try:
            return self._db.execute(query, values)
        except sqlite3.Error as error:
            raise StoreError(f"The phone's cloud database failed: {error}.") from error

    def _rows(self, where: str, values: Sequence[object]) -> list[Row]:
        query = f"SELECT {_ITEM} FROM item {where}"  # noqa: S608 - `where` is one of this module's
        rows = self._run(query, values)
        return [Row(*(*row[:-1], bool(row[-1]))) for row in rows]
