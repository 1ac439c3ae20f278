"""Whether the trail knows an order as its row has it: nothing else is published."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.release.checks.rows import differences
from server.release.checks.told import Told
from server.release.errors import ConflictError
from server.release.people.trail import describe
from server.storage.control_models import Change, TrailEntry


async def check_recorded(session: AsyncSession, change: Change) -> None:
    """Raise ConflictError for a row that was made, altered or approved beside the trail.

    Whoever writes to the database can write to the trail, too; but then it says so for ever.
    """
    told = Told()
    query = (
        select(TrailEntry)
        .where(
            TrailEntry.subject == change.subject,
            TrailEntry.detail.contains(f'"change":"{change.id}"', autoescape=True),
        )
        .order_by(TrailEntry.index)
    )
    for entry in await session.scalars(query):
        told.add(describe(entry))
    known = told.changes.get(change.id)
    differing = "no entry in it" if known is None else differences(change, known)
    if differing:
        raise ConflictError(
            f"the change {change.id} is not the one that the trail tells ({differing}): somebody"
            " wrote to the database by hand. Run `hening-server check`, and give the order again."
        )
