"""Reading the trail: pages of it, newest first, and all of it as JSON lines."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.core.encodings import encode_canonical_json
from server.core.errors import FormatError
from server.release.people.trail import describe
from server.storage.control_models import TrailEntry
from server.storage.database import Sessions

MAX_PAGE = 1000
_BATCH = 500


@dataclass(frozen=True, slots=True)
class TrailFilter:
    """Which entries are wanted; what is empty or None matches all.

    `actor` matches an account with all its tokens, or one of them; `action` an action or a whole
    group of them, `token` for `token.create`; `since` and `until` are epoch seconds, inclusive.
    """

    actor: str = ""
    action: str = ""
    subject: str = ""
    since: int | None = None
    until: int | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what an entry must fulfil."""
        found: list[ColumnElement[bool]] = []
        for column, value, mark in (
            (TrailEntry.actor, self.actor, "/"),
            (TrailEntry.action, self.action, "."),
        ):
            if value:
                member = column.startswith(f"{value}{mark}", autoescape=True)
                found.append(or_(column == value, member))
        if self.subject:
            found.append(TrailEntry.subject == self.subject)
        if self.since is not None:
            found.append(TrailEntry.at >= self.since)
        if self.until is not None:
            found.append(TrailEntry.at <= self.until)
        return found


async def query_trail(
    session: AsyncSession, wanted: TrailFilter, *, before: int | None = None, limit: int = 50
) -> Sequence[TrailEntry]:
    """Return the newest `limit` entries that match, newest first.

    The next page is asked for with `before` = the index of this page's last entry; entries that are
    added meanwhile change no page. Raises FormatError for a limit outside 1 to 1000.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise FormatError(f"a page of the trail has 1 to {MAX_PAGE} entries.")
    query = select(TrailEntry).where(*wanted.conditions())
    if before is not None:
        query = query.where(TrailEntry.index < before)
    return (await session.scalars(query.order_by(TrailEntry.index.desc()).limit(limit))).all()


async def read_trail(
    session: AsyncSession, wanted: TrailFilter | None = None
) -> AsyncIterator[TrailEntry]:
    """Give all entries that match, oldest first, without holding them all in memory."""
    after = -1
    while batch := await _read_batch(session, wanted, after):
        for entry in batch:
            yield entry
        after = batch[-1].index
        session.expunge_all()


async def export_trail(sessions: Sessions) -> AsyncIterator[bytes]:
    """Give the whole trail as JSON lines (FORMATS.md section 11), oldest entry first.

    Who takes the lines slowly holds no transaction: entries never change, so that each batch is
    read in a session of its own.
    """
    after = -1
    while True:
        async with sessions() as session:
            batch = await _read_batch(session, None, after)
        if not batch:
            return
        after = batch[-1].index
        yield b"".join(encode_canonical_json(describe(entry)) for entry in batch)


async def _read_batch(
    session: AsyncSession, wanted: TrailFilter | None, after: int
) -> Sequence[TrailEntry]:
    query = select(TrailEntry).where(TrailEntry.index > after)
    if wanted is not None:
        query = query.where(*wanted.conditions())
    return (await session.scalars(query.order_by(TrailEntry.index).limit(_BATCH))).all()
