"""Tables of the cloud. Times are epoch seconds; what is sealed is so by `server.cloud.secrets`.

Ciphertext and keys come from clients and are never opened here. A collection counts its changes in
`sequence`, an account those of all its collections in `changes`; both grow under the lock of their
row, so that a reader who saw a number has seen all below it.

Columns that are sealed or hashed under the pepper say so in `info`, by which its rotation finds
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
"""For a column that is sealed under its table, the primary key as text, and its own name."""
HASHED: Final = {"pepper": "hashed"}
"""For a column that holds `Secrets.name_hash` of something."""


class Base(DeclarativeBase):
    """The declarative base; `metadata` is what the migrations compare with."""


class Site(Base):
    """What is true of the whole database, in one row.

    `generation` is drawn anew when a backup is restored: cursors of before end with it. `pepper` is
    the mark of the pepper that everything is sealed under. `looked_at` is when bodies were last
    looked through for those that no row names.
    """

    __tablename__ = "site"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    generation: Mapped[bytes] = mapped_column(LargeBinary(4))
    pepper: Mapped[bytes | None] = mapped_column(LargeBinary(8))
    looked_at: Mapped[int] = mapped_column(BigInteger, server_default="0")


class Lease(Base):
    """Who does what one process at a time may do, until when; `fence` grows with each holder.

    `expires_at` is by the database's clock.
    """

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    fence: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)


class Account(Base):
    """One owner. `name_hash` and `address_hash` find it; the name itself is sealed.

    `wrap` holds the account's keys, encrypted by the owner's main key; `public_key` is the X25519
    key that invitations are encrypted to. `quota` and `used` are bytes; `quota` 0 is no limit.
    `consent_version` is the version of the policy that the owner agreed to, 0 for none; `used_week`
    counts weeks since 1970; a closed account is being erased and takes nothing any more. With
    `approves_devices` a new session waits until a device signs for it. A `suspended` account can
    export and erase what it keeps, and no more.
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
    """How an account is opened without its password.

    `key` is the Ed25519 key of the recovery words, `wrap` the account's keys encrypted by them, and
    `words` the words encrypted by the account's key, so that a device can show them again.
    """

    __tablename__ = "recoveries"

    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    key: Mapped[bytes] = mapped_column(info=SEALED)
    wrap: Mapped[bytes] = mapped_column(info=SEALED)
    words: Mapped[bytes] = mapped_column(info=SEALED)
    changed_at: Mapped[int] = mapped_column(BigInteger)


class Session(Base):
    """One device that is logged in; its token is known by its sha256 alone.

    It expires when it was not used for long. A session that `is_pending` waits for an approval by
    another device. `key` is the device's Ed25519 key, `label` what the owner calls it, encrypted.
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
    """One collection; the item of the same uid describes it. Its bytes count for `owner`.

    From `sweep_at` on upkeep looks for chunks that no revision names; None where there are none.
    """

    __tablename__ = "collections"

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[str] = mapped_column(UID, unique=True)
    owner: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    sweep_at: Mapped[int | None] = mapped_column(BigInteger)


class Member(Base):
    """An account's part in a collection, with the collection's key encrypted for it.

    `access` 0 reads, 2 also writes, 1 also shares. `change` is the account's count of changes at
    which the collection changed last. A membership that ended stays, so that a device learns it.
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
    """One item with its current revision, whose uid is the item's `etag`.

    `chunks` are the uids of its chunks in order, a msgpack array.
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
    """A revision that another one followed at `replaced_at`."""

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
    """One chunk of a collection; without `body` it lies in the store of larger bodies.

    There its name is `stored`. `written_at` is when a client sent it last.
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
    """A token that an owner made for a program; it opens one door, and perhaps only to read."""

    __tablename__ = "app_tokens"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    token_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    door: Mapped[str] = mapped_column(String(16))
    reads_only: Mapped[bool]
    created_at: Mapped[int] = mapped_column(BigInteger)


class Vault(Base):
    """One repository of the blobs door."""

    __tablename__ = "vaults"
    __table_args__ = (UniqueConstraint("account", "name", name="uq_vaults_account_name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str] = mapped_column(String(32))


class Blob(Base):
    """One object of a vault; its body is in the store as `stored`, and was before this row.

    Each upload has a name of its own there, so that removing an object never meets a new one.
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
    """A collection that is offered to an account, with its key encrypted to that one."""

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
