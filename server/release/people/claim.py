"""The keyed request that a change is made for: what it changed is written with the change itself.

Whoever serves a request with an `Idempotency-Key` sets `CLAIM` around its work. The first entry of
the trail that the work writes becomes the key's effect, in the same transaction: after a crash the
key says whether the work was done. A request whose key was taken over meanwhile changes nothing.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import CursorResult, func, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.release.errors import ConflictError
from server.storage.control_models import IdempotencyKey


@dataclass(frozen=True, slots=True)
class Claim:
    """An account's key, and which attempt at its request this is."""

    account: str
    key: str
    attempt: str


CLAIM: ContextVar[Claim | None] = ContextVar("CLAIM", default=None)
"""The request that is being served; None where it has no key, and outside of requests."""


async def note_effect(session: AsyncSession, index: int) -> None:
    """Write entry `index` of the trail down as what the present request did, unless it did more.

    Raises ConflictError where the request was taken over: the transaction must be rolled back.
    """
    claim = CLAIM.get()
    if claim is None:
        return
    statement = (
        update(IdempotencyKey)
        .where(
            IdempotencyKey.account == claim.account,
            IdempotencyKey.key == claim.key,
            IdempotencyKey.attempt == claim.attempt,
        )
        .values(effect=func.coalesce(IdempotencyKey.effect, index))
    )
    if cast("CursorResult[Any]", await session.execute(statement)).rowcount != 1:
        raise ConflictError("a repetition with the same key took this request over: ask there.")
