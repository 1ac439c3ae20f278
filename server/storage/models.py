"""Tables. Signed data is in files; the database records what was received and appended."""

from sqlalchemy import BigInteger, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The declarative base; `metadata` is what the migrations compare with."""


class Submission(Base):
    """One bundle that arrived, and its result. Times in epoch seconds.

    `attempt` distinguishes the folder that was processed last from another with the same bundle.
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
    """How often the first and the last byte of a package were sent on a day, in whole twenties.

    `day` counts days since 1970 in UTC.
    """

    __tablename__ = "package_downloads"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    day: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    begun: Mapped[int] = mapped_column(BigInteger)
    finished: Mapped[int] = mapped_column(BigInteger)
