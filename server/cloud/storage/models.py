"""Tables of the cloud. Times are epoch seconds; `server.cloud.secrets` seals and hashes values.

Ciphertext and keys come from clients and are never decrypted here. `sequence` counts the changes of
a collection, `changes` those of all collections of an account. Both are incremented while their row
is locked, so a reader that has seen one number has seen all lower ones.

Columns that are sealed or hashed with the pepper are marked in `info`, so that a rotation finds
them.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

UID = String(64)
SEALED: Final = {"pepper": "sealed"}
"""Marks a column sealed for its table, the row's primary key as text, and its own name."""
HASHED: Final = {"pepper": "hashed"}
"""Marks a column that holds a `Secrets.name_hash`."""


class Base(DeclarativeBase):
    """The declarative base; the migrations are compared with its `metadata`."""


class Site(Base):
    """The state of the whole database, in one row.

    `generation` is random and replaced by a restore, which invalidates earlier cursors. `pepper` is
    the mark of the pepper that the database is encrypted with. `looked_at` is the time of the last
    scan for bodies without a row.
    """

    __tablename__ = "site"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    generation: Mapped[bytes] = mapped_column(LargeBinary(4))
    pepper: Mapped[bytes | None] = mapped_column(LargeBinary(8))
    looked_at: Mapped[int] = mapped_column(BigInteger, server_default="0")


class Lease(Base):
    """A lease on a task; `fence` increases with each holder.

    `expires_at` is by the database's clock.
    """

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    fence: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)


class Account(Base):
    """One owner's account, found by `name_hash` or `address_hash`; the name itself is sealed.

    `wrap` holds the account's keys, encrypted with the owner's main key. `public_key` is the X25519
    key that invitations are encrypted to. `quota` and `used` are in bytes; a quota of 0 means no
    limit. `consent_version` is the policy version that the owner agreed to, 0 for none. `used_week`
    is the week of the last use, counted since 1970. `is_closed` means that the account is being
    erased and refuses all requests. With `approves_devices`, a new session needs a device's
    approval. A `suspended` account can only export and erase its data.
    """

    __tablename__ = "accounts"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    name_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True, info=HASHED)
    address_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True, info=HASHED)
    name: Mapped[bytes] = mapped_column(info=SEALED)
    salt: Mapped[bytes] = mapped_column(info=SEALED)
    login_key: Mapped[bytes] = mapped_column(info=SEALED)
    wrap: Mapped[bytes] = mapped_column(info=SEALED)
    public_key: Mapped[bytes] = mapped_column(LargeBinary(32))
    changes: Mapped[int] = mapped_column(BigInteger)
    quota: Mapped[int] = mapped_column(BigInteger)
    used: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[int] = mapped_column(BigInteger)
    consent_version: Mapped[int] = mapped_column(server_default="0")
    used_week: Mapped[int] = mapped_column(server_default="0")
    is_closed: Mapped[bool] = mapped_column(server_default=false())
    approves_devices: Mapped[bool] = mapped_column(server_default=false())
    suspended: Mapped[bool] = mapped_column(server_default=false())


class Recovery(Base):
    """An account's recovery words, which replace a lost password.

    `key` is the words' Ed25519 public key. `wrap` holds the account's keys, encrypted with the
    words. `words` are the words, encrypted with the account's key, so that a device can show them
    again.
    """

    __tablename__ = "recoveries"

    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    key: Mapped[bytes] = mapped_column(info=SEALED)
    wrap: Mapped[bytes] = mapped_column(info=SEALED)
    words: Mapped[bytes] = mapped_column(info=SEALED)
    changed_at: Mapped[int] = mapped_column(BigInteger)


class Session(Base):
    """One logged-in device; only the sha256 of its token is stored.

    Use extends `expires_at`, at most once a day. A session with `is_pending` waits for another
    device's approval. `key` is the device's Ed25519 key. `label` is the device's name, encrypted.
    """

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    token_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    is_pending: Mapped[bool] = mapped_column(server_default=false())
    key: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    label: Mapped[bytes | None]


class Collection(Base):
    """One collection, described by its item of the same uid. Its bytes count for `owner`.

    `sweep_at` is the time from which upkeep looks for unused chunks; None if there can be none.
    """

    __tablename__ = "collections"

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(UID, unique=True)
    owner: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    sweep_at: Mapped[int | None] = mapped_column(BigInteger)


class Member(Base):
    """An account's membership in a collection, with the collection's key encrypted for it.

    `access` is 0 to read, 2 to read and write, 1 to share as well. `change` is the value of the
    account's `changes` at the collection's last change. An ended membership stays as a row, so that
    devices learn of its end.
    """

    __tablename__ = "members"
    __table_args__ = (
        UniqueConstraint("account", "collection", name="uq_members_account_collection"),
        Index("ix_members_account_change", "account", "change"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    collection: Mapped[int] = mapped_column(ForeignKey("collections.id"), index=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    access: Mapped[int]
    type: Mapped[bytes]
    key: Mapped[bytes]
    change: Mapped[int] = mapped_column(BigInteger)
    ended: Mapped[bool]


class Item(Base):
    """One item with its current revision; `etag` is the revision's uid.

    `chunks` is a msgpack array of the uids of its chunks, in order.
    """

    __tablename__ = "items"
    __table_args__ = (
        UniqueConstraint("collection", "uid", name="uq_items_collection_uid"),
        Index("ix_items_collection_sequence", "collection", "sequence"),
        Index(
            "ix_items_tombstones",
            "written_at",
            sqlite_where=text("deleted"),
            postgresql_where=text("deleted"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    collection: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    uid: Mapped[str] = mapped_column(UID)
    version: Mapped[int]
    key: Mapped[bytes | None]
    sequence: Mapped[int] = mapped_column(BigInteger)
    etag: Mapped[str] = mapped_column(UID)
    meta: Mapped[bytes]
    deleted: Mapped[bool]
    chunks: Mapped[bytes]
    written_at: Mapped[int] = mapped_column(BigInteger)


class Revision(Base):
    """A former revision of an item, replaced at `replaced_at`."""

    __tablename__ = "revisions"
    __table_args__ = (
        UniqueConstraint("item", "etag", name="uq_revisions_item_etag"),
        Index("ix_revisions_replaced_at", "replaced_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[int] = mapped_column(ForeignKey("items.id"))
    sequence: Mapped[int] = mapped_column(BigInteger)
    etag: Mapped[str] = mapped_column(UID)
    meta: Mapped[bytes]
    deleted: Mapped[bool]
    chunks: Mapped[bytes]
    written_at: Mapped[int] = mapped_column(BigInteger)
    replaced_at: Mapped[int] = mapped_column(BigInteger, server_default="0")


class Chunk(Base):
    """One chunk of a collection, in `body` or in the store of bodies under the name `stored`.

    `written_at` is the time when a client last sent it.
    """

    __tablename__ = "chunks"
    __table_args__ = (
        UniqueConstraint("collection", "uid", name="uq_chunks_collection_uid"),
        Index("ix_chunks_stored", "stored"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    collection: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    uid: Mapped[str] = mapped_column(UID)
    length: Mapped[int] = mapped_column(BigInteger)
    stored: Mapped[str | None] = mapped_column(String(160))
    body: Mapped[bytes | None]
    written_at: Mapped[int] = mapped_column(BigInteger, server_default="0")


class AppToken(Base):
    """A token that an owner created for a program; valid for one door, maybe read-only."""

    __tablename__ = "app_tokens"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    token_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    door: Mapped[str] = mapped_column(String(16))
    reads_only: Mapped[bool]
    created_at: Mapped[int] = mapped_column(BigInteger)


class Vault(Base):
    """One restic repository."""

    __tablename__ = "vaults"
    __table_args__ = (UniqueConstraint("account", "name", name="uq_vaults_account_name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str] = mapped_column(String(32))


class Blob(Base):
    """One object of a vault; its body is in the store under the name `stored`.

    The body is stored before this row. Each upload has its own name in the store, so that removing
    an old object cannot remove a new one's body.
    """

    __tablename__ = "blobs"
    __table_args__ = (
        UniqueConstraint("vault", "type", "name", name="uq_blobs_vault_type_name"),
        Index("ix_blobs_stored", "stored"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    vault: Mapped[int] = mapped_column(ForeignKey("vaults.id"))
    type: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(64))
    length: Mapped[int] = mapped_column(BigInteger)
    stored: Mapped[str] = mapped_column(String(160))


class Invitation(Base):
    """An invitation to a collection, with its key encrypted to the invited account."""

    __tablename__ = "invitations"
    __table_args__ = (
        UniqueConstraint("collection", "invited", name="uq_invitations_collection_invited"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(UID, unique=True)
    collection: Mapped[int] = mapped_column(ForeignKey("collections.id"))
    inviting: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    invited: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    version: Mapped[int]
    access: Mapped[int]
    key: Mapped[bytes]
