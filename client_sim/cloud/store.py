"""What the phone remembers of the cloud: one SQLite file, below `personal/`.

Each method that changes something is one transaction, durable when it returns, so that a power cut
leaves the state before it or after it. A factory reset removes the file with the owner's data. The
file's lock is its own: polling for updates neither knows nor waits for it.
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
_WAIT: Final = 60.0  # seconds for another command of the same phone
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

    `body` is what it says (None: deleted), `base` what it said at the last synchronised revision
    `etag` (None there: deleted, or never synchronised). `sent_etag` and `sent_body` are of a
    revision whose request was begun. `at` is when the owner changed it, epoch milliseconds. `meta`
    is the description of the synchronised revision, `item_key` the server's wrap of a key of its
    own, which only other clients' items have.
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
    """A collection: its uid, type, keys (each 32 bytes) and cursor."""

    uid: str
    type: str
    keys: bytes
    stoken: str | None
    changed: bool
    relisting: bool

    @property
    def key_list(self) -> tuple[bytes, ...]:
        """The keys, the current one first."""
        return tuple(self.keys[at : at + 32] for at in range(0, len(self.keys), 32))


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something that two devices said differently: a sentence, and the version that lost."""

    uid: str
    type: str
    at: int
    sentence: str
    body: bytes | None


class Store:
    """The memory of the phone in `phone`; use `transaction` around what belongs together."""

    def __init__(self, phone: Path, folder: str = FOLDER) -> None:
        self.folder = phone / "personal" / folder
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self.folder / _FILE
            path.touch(mode=0o600)
            self._db = sqlite3.connect(path, timeout=_WAIT, isolation_level=None)
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA secure_delete = ON")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"The phone's memory of the cloud cannot be opened: {error}."
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what happens inside durable at its end, or undo it; nested ones join the outer."""
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
            raise StoreError(f"The phone's memory of the cloud failed: {error}.") from error

    def get(self, name: str) -> bytes:
        """Return a setting, empty without one."""
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
        """Return how far the collections of a type are known."""
        row = self._run("SELECT stoken FROM cursor WHERE type = ?", (kind,)).fetchone()
        return None if row is None else str(row[0])

    def set_cursor(self, kind: str, stoken: str | None) -> None:
        """Store it; None begins anew."""
        self._run("DELETE FROM cursor WHERE type = ?", (kind,))
        if stoken is not None:
            self._run("INSERT INTO cursor VALUES (?, ?)", (kind, stoken))

    def collections(self, kind: str | None = None) -> list[CollectionRow]:
        """Return the collections of a type, or all, in the order of their uids."""
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
        """Store a collection that changed on the server; it is to be read."""
        self._run(
            "INSERT INTO collection (uid, type, keys, changed) VALUES (?, ?, ?, 1)"
            " ON CONFLICT (uid) DO UPDATE SET keys = excluded.keys, changed = 1",
            (uid, kind, keys),
        )

    def set_stoken(self, uid: str, stoken: str | None, *, changed: bool) -> None:
        """Store how far a collection was read; `changed` while there is more."""
        self._run(
            "UPDATE collection SET stoken = ?, changed = ? WHERE uid = ?", (stoken, changed, uid)
        )

    def begin_relisting(self, uid: str) -> None:
        """Read a collection from its start again, and note which items come."""
        self._run(
            "UPDATE collection SET stoken = NULL, changed = 1, relisting = 1 WHERE uid = ?", (uid,)
        )
        self._run("UPDATE item SET seen = 0 WHERE collection = ?", (uid,))

    def end_relisting(self, uid: str) -> list[Row]:
        """Return items that the server had and that did not come."""
        self._run("UPDATE collection SET relisting = 0 WHERE uid = ?", (uid,))
        return self._rows("WHERE collection = ? AND seen = 0 AND etag IS NOT NULL", (uid,))

    def remove_collection(self, uid: str, *, keeps: bool) -> None:
        """Forget a collection; with `keeps` all its records stay, else those changed here."""
        self._run("DELETE FROM collection WHERE uid = ?", (uid,))
        if not keeps:
            self._run("DELETE FROM item WHERE collection = ? AND changed = 0", (uid,))
        self._run(
            "UPDATE item SET collection = NULL, etag = NULL, base = NULL, sent_etag = NULL,"
            " sent_body = NULL, item_key = NULL, changed = body IS NOT NULL WHERE collection = ?",
            (uid,),
        )

    def find(self, uid: str) -> Row | None:
        """Return a record."""
        rows = self._rows("WHERE uid = ?", (uid,))
        return rows[0] if rows else None

    def live(self, kind: str) -> list[Row]:
        """Return the records of a type that are not deleted, in the order of their uids."""
        return self._rows("WHERE type = ? AND body IS NOT NULL ORDER BY uid", (kind,))

    def has_body(self, kind: str, body: bytes) -> bool:
        """Answer whether a record of a type says exactly this."""
        query = "SELECT 1 FROM item WHERE type = ? AND body = ? LIMIT 1"
        return self._run(query, (kind, body)).fetchone() is not None

    def changed(self, kind: str) -> list[Row]:
        """Return the records that the server does not have as they are, newest first."""
        return self._rows("WHERE type = ? AND changed = 1 ORDER BY at DESC, uid", (kind,))

    def stored(self, kind: str, collection: str) -> list[Row]:
        """Return what the server has of a collection."""
        return self._rows(
            "WHERE type = ? AND collection = ? AND etag IS NOT NULL ORDER BY uid",
            (kind, collection),
        )

    def put(self, row: Row) -> None:
        """Store a record; whether it has to be sent follows from its body and base."""
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
        """Note that the server still has a record."""
        self._run("UPDATE item SET seen = 1 WHERE uid = ?", (uid,))

    def remove(self, uid: str) -> None:
        """Remove a record that the server never had."""
        self._run("DELETE FROM item WHERE uid = ?", (uid,))

    def mark_unsent(self) -> None:
        """Have all records sent again, over the revisions that are there: their keys changed."""
        self._run(
            "UPDATE item SET base = NULL, changed = 1 WHERE etag IS NOT NULL AND body IS NOT NULL"
        )

    def is_former(self, uid: str, etag: str) -> bool:
        """Answer whether a revision was replaced, as far as this phone has seen."""
        query = "SELECT 1 FROM former WHERE uid = ? AND etag = ?"
        return self._run(query, (uid, etag)).fetchone() is not None

    def add_former(self, uid: str, etag: str | None) -> None:
        """Note that a revision was replaced."""
        if etag is not None:
            self._run("INSERT OR IGNORE INTO former VALUES (?, ?)", (uid, etag))

    def add_conflict(self, conflict: Conflict) -> None:
        """Keep what two devices said differently, for the owner."""
        self._run(
            "INSERT INTO conflict (uid, type, at, sentence, body) VALUES (?, ?, ?, ?, ?)",
            (conflict.uid, conflict.type, conflict.at, conflict.sentence, conflict.body),
        )

    def conflicts(self) -> list[Conflict]:
        """Return them, oldest first."""
        rows = self._run("SELECT uid, type, at, sentence, body FROM conflict ORDER BY id")
        return [Conflict(*row) for row in rows]

    def forget_conflicts(self) -> None:
        """Remove them: the owner has seen them."""
        self._run("DELETE FROM conflict")

    def add_receipt(self, kind: str, note: bytes) -> None:
        """Keep a signed receipt."""
        self._run("INSERT INTO receipt (kind, note) VALUES (?, ?)", (kind, note))

    def receipts(self) -> list[tuple[str, bytes]]:
        """Return kinds and notes, oldest first."""
        return [tuple(row) for row in self._run("SELECT kind, note FROM receipt ORDER BY id")]

    def head(self, device: bytes) -> int:
        """Return the number of the newest list that a device signed, as far as seen."""
        row = self._run("SELECT number FROM head WHERE device = ?", (device,)).fetchone()
        return 0 if row is None else int(row[0])

    def set_head(self, device: bytes, number: int) -> None:
        """Store it."""
        self._run("INSERT OR REPLACE INTO head VALUES (?, ?)", (device, number))

    def forget_server(self) -> None:
        """Forget what only the account's server knows; records and receipts stay."""
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
        """Take over what another memory knows, but for receipts, which are added to the own."""
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
            raise StoreError(f"The phone's memory of the cloud failed: {error}.") from error

    def _rows(self, where: str, values: Sequence[object]) -> list[Row]:
        query = f"SELECT {_ITEM} FROM item {where}"  # noqa: S608 - `where` is one of this module's
        rows = self._run(query, values)
        return [Row(*(*row[:-1], bool(row[-1]))) for row in rows]
