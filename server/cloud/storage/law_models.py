"""Tables of policies, consents, erasures, sign-up codes and breaches. Times are epoch seconds."""

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from server.cloud.storage.models import Base


class PolicyRow(Base):
    """One version of the region's policy, as a signed note."""

    __tablename__ = "policies"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    note: Mapped[bytes]
    accepted_at: Mapped[int] = mapped_column(BigInteger)


class PolicyText(Base):
    """The text that owners read before they agree to a policy version, in one language."""

    __tablename__ = "policy_texts"

    version: Mapped[int] = mapped_column(ForeignKey("policies.version"), primary_key=True)
    locale: Mapped[str] = mapped_column(String(16), primary_key=True)
    body: Mapped[bytes]


class Consent(Base):
    """An owner's consent or its withdrawal, with the device's signed statement and the receipt."""

    __tablename__ = "consents"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    version: Mapped[int]
    at: Mapped[int] = mapped_column(BigInteger)
    is_given: Mapped[bool]
    statement: Mapped[bytes | None]
    receipt: Mapped[bytes]


class Erasure(Base):
    """An account's erasure: announced, in progress, or done.

    `account` is None once it is done. `step` is the last completed step. `bodies`, `items` and
    `size` (in bytes) count the data to erase; `root` is a Merkle root of the bodies' names.
    `due_at` is the policy's deadline. The row is removed at `forget_at`.
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
    """The name of an erased account, as a keyed hash; it cannot be reused before `until`."""

    __tablename__ = "quarantine"

    name_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    until: Mapped[int] = mapped_column(BigInteger)


class Code(Base):
    """A code with which one account can be created."""

    __tablename__ = "codes"

    code_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    expires_at: Mapped[int] = mapped_column(BigInteger)


class OwnerLink(Base):
    """A link to the owner's page that a device requested."""

    __tablename__ = "owner_links"

    token_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    expires_at: Mapped[int] = mapped_column(BigInteger)


class Breach(Base):
    """A breach found at `found_at`, of which owners are notified since `told_at`."""

    __tablename__ = "breaches"

    id: Mapped[int] = mapped_column(primary_key=True)
    found_at: Mapped[int] = mapped_column(BigInteger)
    told_at: Mapped[int | None] = mapped_column(BigInteger)
    text: Mapped[str]
