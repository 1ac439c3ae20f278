"""The end of a submission, told in the trail in the transaction that remembers it."""

from sqlalchemy.ext.asyncio import AsyncSession

from server.core.bundle import Result
from server.release.people.token_text import redact
from server.release.people.trail import record

ACTOR = "server"


async def record_end(session: AsyncSession, result: Result) -> None:
    """Record that a bundle was published or refused, and why.

    Who handed it in is in the entry `submission.receive`; a bundle that was laid into `incoming/`
    has none. A reason may quote what was handed in, and a token has no place in the trail.
    """
    is_published = result.status == "published"
    await record(
        session,
        at=result.time,
        actor=ACTOR,
        action="submission.publish" if is_published else "submission.refuse",
        subject=result.id,
        detail={"snapshot": result.snapshot} if is_published else {"reason": redact(result.reason)},
    )
