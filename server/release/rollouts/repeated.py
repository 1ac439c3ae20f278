"""Repeated halts and pauses, with the same reason and note or new ones.

A repetition has no effect on phones. One with a new reason or note is recorded as a new change, and
a new reason is published. An account has a daily limit for these. Beyond the limit, nothing is
recorded, and the answer is the existing change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.core.errors import FormatError
from server.core.pointer import Pointer
from server.release.errors import RateError, Share
from server.release.rollouts.changes import ChangeView, State, known_outcome, read_arguments
from server.release.rollouts.commands import ChangeRequest, Halt, Pause, action_of, hash_pointer
from server.release.rollouts.ledger import find_open
from server.storage.models import Change

DAY = 86_400
STOPPING = ("halt", "pause")
RETRY_SECONDS = 3600  # Retry-After of a refused scheduled pause: the limit is per day


@dataclass(frozen=True, slots=True)
class DailyShare:
    """The limit of an account's halts and pauses: `most` since `since`, in epoch seconds."""

    most: int
    since: int


def is_repetition(request: ChangeRequest, before: Pointer, after: Pointer) -> bool:
    """Answer whether `request` halts a halted channel or pauses a paused one, for any reason."""
    if not isinstance(request.command, Halt | Pause):
        return False
    return msgspec.structs.replace(after, reason=before.reason) == before


async def find_answer(
    session: AsyncSession,
    request: ChangeRequest,
    proposer: str,
    before: Pointer,
    after: Pointer,
    share: DailyShare,
) -> Change | None:
    """Return the existing change that answers a repetition; None to record a new change.

    A new change is recorded if the channel has an open change, which it has to follow. Otherwise,
    while the proposer is below the daily limit, one is recorded if the reason or note is new, or if
    the proposer has no change on record for this state of the channel.
    """
    if await find_open(session, str(request.channel)):
        return None
    if after == before:
        own = await _find_last(session, request, proposer)
        if own is not None and _shows(own, after) and request.note in {"", _note(own)}:
            return own
    if await _count(session, proposer, share) < share.most:
        return None
    return await _find_last(session, request)


async def check_share(session: AsyncSession, proposer: str, share: DailyShare) -> None:
    """Raise RateError if a scheduled pause exceeds the limit: it is not urgent."""
    if await _count(session, proposer, share) >= share.most:
        raise RateError(
            f"{proposer} has used up its halts and pauses of 24 hours (rewordings_per_day), so a"
            " pause cannot be scheduled: pause now, or try again in an hour.",
            RETRY_SECONDS,
            Share.REWORDINGS,
        )


def explain_unrecorded(request: ChangeRequest, change: ChangeView, shown: Mapping[str, str]) -> str:
    """Return a sentence if the reason or note of a repetition was not recorded, else empty.

    `change` is the answer to `request`, and `shown` the reason that the channel shows now.
    """
    if not isinstance(request.command, Halt | Pause):
        return ""
    recorded = getattr(change.command, "reason", {})
    if request.note in {"", change.note} and request.command.reason in ({}, recorded, shown):
        return ""
    state = "halted" if isinstance(request.command, Halt) else "paused"
    return (
        f"{request.channel} is {state} already, by change {change.id}. The new reason and note are"
        " not recorded: this account has used up its halts and pauses with new texts of 24 hours"
        " (rewordings_per_day)."
    )


async def _find_last(
    session: AsyncSession, request: ChangeRequest, proposer: str = ""
) -> Change | None:
    """Return the channel's newest done change with the action of `request`.

    With `proposer`, only changes of this account.
    """
    query = select(Change).where(
        Change.subject == str(request.channel),
        Change.action == action_of(request.command),
        Change.state == State.DONE,
    )
    if proposer:
        query = query.where(Change.proposed_by == proposer)
    newest = query.order_by(Change.proposed_at.desc(), Change.id.desc()).limit(1)
    found: Change | None = await session.scalar(newest)
    return found


async def _count(session: AsyncSession, proposer: str, share: DailyShare) -> int:
    """Return the number of an account's halts and pauses since `share.since`, capped at `most`."""
    query = (
        select(Change.id)
        .where(
            Change.id > f"{share.since * 1000:012x}",  # ids begin with the time, and are indexed
            Change.action.in_(STOPPING),
            Change.proposed_by == proposer,
        )
        .limit(share.most)
    )
    found: Sequence[str] = (await session.scalars(query)).all()
    return len(found)


def _shows(change: Change, pointer: Pointer) -> bool:
    intent = known_outcome(change).intent
    return intent is not None and intent.pointer == hash_pointer(pointer)


def _note(change: Change) -> str:
    try:
        return read_arguments(change).note
    except FormatError:
        return ""
