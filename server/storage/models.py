"""Tables. Signed data is in files; the database records what was received and appended.

The tables from `Account` on belong to the control plane: accounts and their rights, the audit log,
and open work. Times are epoch seconds. Lists and objects are canonical JSON in a text column, read
by the module that owns the table.
"""

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The declarative base; migrations compare the database with its `metadata`."""


class Submission(Base):
    """One received bundle, and its result. Times in epoch seconds.

    `attempt` identifies the submission that was processed last, among those of the same bundle.
    """

    __tablename__ = "submissions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    status: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str]
    snapshot: Mapped[int] = mapped_column(BigInteger)
    finished_at: Mapped[int] = mapped_column(BigInteger)
    attempt: Mapped[str | None] = mapped_column(String(48))


class Blob(Base):
    """One blob whose hash was verified on ingestion."""

    __tablename__ = "blobs"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    length: Mapped[int] = mapped_column(BigInteger)
    verified_at: Mapped[int] = mapped_column(BigInteger)


class LogEntry(Base):
    """One leaf of the transparency log. A role version is appended once, with one sha256."""

    __tablename__ = "log_entries"
    __table_args__ = (UniqueConstraint("role", "version", name="uq_log_entries_role_version"),)

    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    role: Mapped[str] = mapped_column(String(32))
    version: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    appended_at: Mapped[int] = mapped_column(BigInteger)


class PackageDownloads(Base):
    """How often the first and the last byte of a package were sent on a day, in multiples of 20.

    `day` counts days since 1970 in UTC.
    """

    __tablename__ = "package_downloads"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    day: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    begun: Mapped[int] = mapped_column(BigInteger)
    finished: Mapped[int] = mapped_column(BigInteger)


class Account(Base):
    """One person or program that may use the control plane; an account is never deleted.

    `subject` is the account's id at the identity provider, if it may log in there; logins from
    before `logins_from` are invalid.
    """

    __tablename__ = "accounts"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    codenames: Mapped[str]
    subject: Mapped[str | None] = mapped_column(String(255), unique=True)
    logins_from: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[int] = mapped_column(BigInteger)
    disabled_at: Mapped[int | None] = mapped_column(BigInteger)


class Token(Base):
    """One API token; of its secret only the sha256 is stored."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"))
    secret_sha256: Mapped[str] = mapped_column(String(64))
    label: Mapped[str] = mapped_column(String(80))
    permissions: Mapped[str]
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    revoked_at: Mapped[int | None] = mapped_column(BigInteger)


class WebSession(Base):
    """One browser that is signed in to the console; of its cookie only the sha256 is stored.

    It began with a token, which must stay valid, or with a login as `subject` at the identity
    provider, which must stay the account's.
    """

    __tablename__ = "web_sessions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"))
    secret_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    token: Mapped[str | None] = mapped_column(ForeignKey("tokens.id"))
    subject: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    ended_at: Mapped[int | None] = mapped_column(BigInteger)


class AuditLogEntry(Base):
    """One change by a caller; `sha256` chains each entry to the one before."""

    __tablename__ = "trail_entries"
    __table_args__ = (Index("ix_trail_entries_subject", "subject"),)

    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(80))
    action: Mapped[str] = mapped_column(String(48))
    subject: Mapped[str] = mapped_column(String(200))
    detail: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64))


class AuditLogHead(Base):
    """The end of the audit log, in one row that the migration makes and every writer locks."""

    __tablename__ = "trail_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    length: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))


class Lease(Base):
    """The holder of a lease, and its end; `fence` grows with each new holder."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    holder: Mapped[str] = mapped_column(String(64))
    fence: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)


class Upload(Base):
    """One resumable upload; its bytes are in a file named by its id until it is complete."""

    __tablename__ = "uploads"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"))
    length: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)
    finished_at: Mapped[int | None] = mapped_column(BigInteger)


class IdempotencyKey(Base):
    """The stored answer to one keyed request of one account, for repetitions within a day.

    `attempt` identifies the current attempt; `effect` is the first entry of the audit log that it
    wrote.
    """

    __tablename__ = "idempotency_keys"

    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"), primary_key=True)
    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    request_sha256: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    headers: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[int] = mapped_column(BigInteger)
    attempt: Mapped[str] = mapped_column(String(16))
    effect: Mapped[int | None] = mapped_column(BigInteger)


class Change(Base):
    """One command for a channel, and its result.

    Proposer and approver are account names, or `cli:USER` for a command on the server.
    """

    __tablename__ = "changes"
    __table_args__ = (
        Index("ix_changes_state_due_at", "state", "due_at"),
        Index("ix_changes_subject_proposed_at", "subject", "proposed_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    action: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(200))
    arguments: Mapped[str]
    state: Mapped[str] = mapped_column(String(16))
    proposed_by: Mapped[str] = mapped_column(String(80))
    proposed_at: Mapped[int] = mapped_column(BigInteger)
    approved_by: Mapped[str | None] = mapped_column(String(80))
    approved_at: Mapped[int | None] = mapped_column(BigInteger)
    due_at: Mapped[int] = mapped_column(BigInteger)
    finished_at: Mapped[int | None] = mapped_column(BigInteger)
    outcome: Mapped[str]


class Webhook(Base):
    """One address that receives events; the secret signs them.

    Until `former_until` the former secret signs, too. `failing_since` is when the first attempt
    after the last success failed.
    """

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    url: Mapped[str] = mapped_column(String(2000))
    secret: Mapped[str] = mapped_column(String(64))
    former_secret: Mapped[str | None] = mapped_column(String(64))
    former_until: Mapped[int | None] = mapped_column(BigInteger)
    events: Mapped[str]
    created_by: Mapped[str] = mapped_column(ForeignKey("accounts.name"))
    created_at: Mapped[int] = mapped_column(BigInteger)
    disabled_at: Mapped[int | None] = mapped_column(BigInteger)
    failing_since: Mapped[int | None] = mapped_column(BigInteger)


class Delivery(Base):
    """One event for one webhook; without `next_at` and `delivered_at` its delivery was given up.

    `id` is derived from webhook and event, so that an event is queued once for each webhook.
    """

    __tablename__ = "deliveries"
    __table_args__ = (Index("ix_deliveries_next_at", "next_at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    webhook: Mapped[str] = mapped_column(ForeignKey("webhooks.id"), index=True)
    event_id: Mapped[str] = mapped_column(String(40))
    event: Mapped[str]
    created_at: Mapped[int] = mapped_column(BigInteger)
    attempts: Mapped[int]
    next_at: Mapped[int | None] = mapped_column(BigInteger)
    delivered_at: Mapped[int | None] = mapped_column(BigInteger)
    last_error: Mapped[str]


class AnnouncedRow(Base):
    """The public state that was last announced as events; the next poll compares with it."""

    __tablename__ = "noticed"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[str]
