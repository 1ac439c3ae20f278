"""Reads and verifies the audit log: pages, newest entry first, and exports as JSON lines."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.errors import FormatError
from server.release.auth.audit_log import DETAIL_LIMIT, NO_ENTRY, describe, hash_entry
from server.release.errors import AuditLogError
from server.storage.database import Sessions
from server.storage.models import AuditLogEntry, AuditLogHead

_BATCH = 500


@dataclass(frozen=True, slots=True)
class AuditLogFilter:
    """The filter of a query; an empty value or None matches all entries.

    `actor` is an account, for all its tokens too, or an account with one token. `action` is an
    action or a group: `token` includes `token.create`. `since` and `until` are epoch seconds,
    inclusive.
    """

    actor: str = ""
    action: str = ""
    subject: str = ""
    since: int | None = None
    until: int | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the SQL conditions of the filter."""
        found: list[ColumnElement[bool]] = []
        for column, value, mark in (
            (AuditLogEntry.actor, self.actor, "/"),
            (AuditLogEntry.action, self.action, "."),
        ):
            if value:
                member = column.startswith(f"{value}{mark}", autoescape=True)
                found.append(or_(column == value, member))
        if self.subject:
            found.append(AuditLogEntry.subject == self.subject)
        if self.since is not None:
            found.append(AuditLogEntry.at >= self.since)
        if self.until is not None:
            found.append(AuditLogEntry.at <= self.until)
        return found


async def query_audit_log(
    session: AsyncSession, filters: AuditLogFilter, *, before: int | None = None, limit: int = 50
) -> Sequence[AuditLogEntry]:
    """Return the newest `limit` entries that match, newest first.

    For the next page set `before` to the index of this page's last entry. New entries do not shift
    the pages.
    """
    query = select(AuditLogEntry).where(*filters.conditions())
    if before is not None:
        query = query.where(AuditLogEntry.index < before)
    return (await session.scalars(query.order_by(AuditLogEntry.index.desc()).limit(limit))).all()


async def read_audit_log(session: AsyncSession) -> AsyncIterator[AuditLogEntry]:
    """Yield all entries, oldest first, with one batch in memory at a time."""
    after = -1
    while batch := await _read_batch(session, after):
        for entry in batch:
            yield entry
        after = batch[-1].index
        session.expunge_all()


async def export_audit_log(sessions: Sessions) -> AsyncIterator[bytes]:
    """Yield the whole audit log as JSON lines (FORMATS.md section 11), oldest entry first.

    A slow reader holds no transaction: entries never change, so each batch is read in a session of
    its own.
    """
    after = -1
    while True:
        async with sessions() as session:
            batch = await _read_batch(session, after)
        if not batch:
            return
        after = batch[-1].index
        yield b"".join(encode_canonical_json(describe(entry)) for entry in batch)


async def _read_batch(session: AsyncSession, after: int) -> Sequence[AuditLogEntry]:
    query = select(AuditLogEntry).where(AuditLogEntry.index > after)
    return (await session.scalars(query.order_by(AuditLogEntry.index).limit(_BATCH))).all()


LINE_LIMIT = 8 * DETAIL_LIMIT
_MEMBERS = {"action", "actor", "at", "detail", "index", "sha256", "subject"}


@dataclass(frozen=True, slots=True)
class AuditLogState:
    """The end of an audit log: the number of entries, and the hash of the last one."""

    length: int
    sha256: str


class ChainVerifier:
    """Verifies entries one by one, oldest first, and refuses the first that breaks the chain.

    `remembered` maps the indices of entries to the hashes that the caller kept.
    """

    def __init__(self, remembered: Mapping[int, str] | None = None) -> None:
        self._remembered = dict(remembered or {})
        self.state = AuditLogState(0, NO_ENTRY)

    def add(self, entry: Mapping[str, Any]) -> None:
        """Verify the next entry; raises AuditLogError that names it."""
        index = self.state.length + 1
        if entry.keys() != _MEMBERS:
            raise AuditLogError(
                f"entry {index} of the audit log does not have the members of an entry."
            )
        if entry["index"] != index:
            raise AuditLogError(
                f"entry {index} of the audit log is missing: the next is {entry['index']}."
            )
        sha256 = hash_entry(entry, self.state.sha256)
        if entry["sha256"] != sha256:
            raise AuditLogError(f"entry {index} of the audit log is not what was recorded.")
        if self._remembered.pop(index, sha256) != sha256:
            raise AuditLogError(
                f"entry {index} of the audit log is not the one that was remembered."
            )
        self.state = AuditLogState(index, sha256)

    def finish(self) -> AuditLogState:
        """Return the end of the log; raises AuditLogError if a remembered entry is missing."""
        if self._remembered:
            raise AuditLogError(
                f"the audit log ends at entry {self.state.length}, and entry"
                f" {max(self._remembered)} was remembered."
            )
        return self.state


async def verify_audit_log(
    session: AsyncSession, remembered: Mapping[int, str] | None = None
) -> AuditLogState:
    """Verify all entries in the database; raises AuditLogError that names the first broken one."""
    # The head is read before and after, since entries may be added meanwhile.
    before = await load_head(session)
    chain = ChainVerifier(remembered)
    reached = NO_ENTRY
    async for row in read_audit_log(session):
        try:
            chain.add(describe(row))
        except FormatError as error:  # a detail that is not valid JSON
            raise AuditLogError(
                f"entry {row.index} of the audit log is malformed: {error}"
            ) from error
        if row.index == before.length:
            reached = row.sha256
    state = chain.finish()
    after = await load_head(session)
    if reached != before.sha256 or not before.length <= state.length <= after.length:
        raise AuditLogError(
            f"the audit log ends at entry {state.length}, its head names entry {after.length} with"
            f" the hash {after.sha256[:16]}."
        )
    return state


async def load_head(session: AsyncSession) -> AuditLogState:
    """Return the end of the audit log, without verifying anything."""
    found = (await session.execute(select(AuditLogHead.length, AuditLogHead.sha256))).one_or_none()
    if found is None:
        raise AuditLogError("the head of the audit log is gone from the database.")
    return AuditLogState(*found)


def verify_export(
    lines: Iterable[bytes], remembered: Mapping[int, str] | None = None
) -> AuditLogState:
    """Verify an export line by line; raises AuditLogError that names the first broken entry."""
    chain = ChainVerifier(remembered)
    for number, line in enumerate(lines, start=1):
        try:
            value = decode_canonical_json(line, limit=LINE_LIMIT)
        except FormatError as error:
            raise AuditLogError(f"line {number} of the export is malformed: {error}") from error
        if not isinstance(value, dict):
            raise AuditLogError(f"line {number} of the export is not an audit log entry.")
        chain.add(value)
    return chain.finish()
