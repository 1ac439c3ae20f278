"""Tables of what a region's law asks for. Times are epoch seconds."""

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from server.cloud.storage.models import Base


class PolicyRow(Base):
    """One version of the region's policy, as it was signed."""

    __tablename__ = "policies"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    note: Mapped[bytes]
    accepted_at: Mapped[int] = mapped_column(BigInteger)


class PolicyText(Base):
    """What owners are shown before they agree to a version, in one language."""

    __tablename__ = "policy_texts"

    version: Mapped[int] = mapped_column(ForeignKey("policies.version"), primary_key=True)
    locale: Mapped[str] = mapped_column(String(16), primary_key=True)
    body: Mapped[bytes]


class Consent(Base):
    """An owner's consent or its withdrawal: what the device signed, and the receipt."""

    __tablename__ = "consents"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    version: Mapped[int]
    at: Mapped[int] = mapped_column(BigInteger)
    is_given: Mapped[bool]
    statement: Mapped[bytes | None]
    receipt: Mapped[bytes]


class Erasure(Base):
    """An account's erasure: announced, under way, or over.

    `account` is None once it is over. `step` is the last one that was done. `bodies`, `items`,
    `size` and `root` are what there was to erase; the root is of the bodies' names. `due_at` is the
    law's deadline, `forget_at` when this row goes.
    """

    __tablename__ = "erasures"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    account: Mapped[str | None] = mapped_column(String(26), unique=True)
    reason: Mapped[str] = mapped_column(String(16))
    asked_at: Mapped[int] = mapped_column(BigInteger)
    begins_at: Mapped[int] = mapped_column(BigInteger, index=True)
    due_at: Mapped[int] = mapped_column(BigInteger)
    step: Mapped[str] = mapped_column(String(16))
    version: Mapped[int]
    bodies: Mapped[int | None] = mapped_column(BigInteger)
    items: Mapped[int | None] = mapped_column(BigInteger)
    size: Mapped[int | None] = mapped_column(BigInteger)
    root: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    forget_at: Mapped[int | None] = mapped_column(BigInteger)
    receipt: Mapped[bytes | None]


class Quarantine(Base):
    """The name of an erased account, as a keyed hash, until it may be taken again."""

    __tablename__ = "quarantine"

    name_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    until: Mapped[int] = mapped_column(BigInteger)


class Code(Base):
    """A code with which one account can be made."""

    __tablename__ = "codes"

    code_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    expires_at: Mapped[int] = mapped_column(BigInteger)


class OwnerLink(Base):
    """A link to the owner's page, which a device asked for."""

    __tablename__ = "owner_links"

    token_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    expires_at: Mapped[int] = mapped_column(BigInteger)


class Breach(Base):
    """A breach that was found at `found_at`, and is told to owners since `told_at`."""

    __tablename__ = "breaches"

    id: Mapped[int] = mapped_column(primary_key=True)
    found_at: Mapped[int] = mapped_column(BigInteger)
    told_at: Mapped[int | None] = mapped_column(BigInteger)
    text: Mapped[str]
