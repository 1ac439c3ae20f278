"""Rows of changes: every step of a change is stored with its audit log entry in a transaction."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, cast

import msgspec
from sqlalchemy import CursorResult, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from server.core.encodings import encode_canonical_json
from server.publisher.build_names import BuildNames
from server.release.auth.audit_log import record
from server.release.errors import NotFoundError
from server.release.rollouts.changes import (
    Outcome,
    State,
    encode_text,
    known_outcome,
    read_arguments,
    show_change,
)
from server.release.rollouts.plan import Course
from server.release.webhooks.deliveries import enqueue
from server.release.webhooks.event import UNSET, ChangeRefusedData, ChangeWaitingData, make_event
from server.storage.models import Change

REASON_LIMIT = 500
COMMAND_LIMIT = 8192  # bytes of a command in an audit log entry: half of the entry's maximum
NO_NAMES = BuildNames({})  # builds have only their counters
COURSES = 50  # of how many changes the courses are searched for a schedule


async def add_changes(
    session: AsyncSession, changes: Sequence[Change], actor: str, names: BuildNames
) -> None:
    """Insert new changes with their audit log entries; queue an event for each that waits.

    `names` gives the names of builds in the events.
    """
    session.add_all(changes)
    await session.flush()
    for change in changes:
        arguments = read_arguments(change)
        command = msgspec.to_builtins(arguments.command)
        content = encode_canonical_json(command)
        if len(content) > COMMAND_LIMIT:  # with reasons in many languages; the row has all of it
            command = {"sha256": hashlib.sha256(content).hexdigest(), "type": change.action}
        detail = {
            "arguments": hashlib.sha256(change.arguments.encode()).hexdigest(),
            "change": change.id,
            "due_at": change.due_at,
            "note": arguments.note,
            "order": command,
            "state": change.state,
        }
        waits_for = "approval" if change.state == State.WAITING else "time"
        if change.state == State.WAITING or change.due_at > change.proposed_at:
            build = show_change(change, names).build or UNSET
            data = ChangeWaitingData(change.action, change.id, waits_for, build)
            await _announce(session, change, data, change.proposed_at)
        action = f"rollout.{change.action}"
        await _record_step(session, change, change.proposed_at, actor, action, detail)


async def get_change(session: AsyncSession, identity: str) -> Change:
    """Return a change; raises NotFoundError."""
    change = await session.get(Change, identity)
    if change is None:
        raise NotFoundError(f"there is no change {identity[:32]}: look at the list of changes.")
    return change


# Built once: each publisher runs it twice a second.
_DUE = (
    select(Change)
    .where(Change.state == State.APPROVED, Change.due_at <= bindparam("now"))
    .order_by(Change.due_at, Change.proposed_at, Change.id)
)


async def find_due(session: AsyncSession, now: int) -> Sequence[Change]:
    """Return the changes that are approved and due at `now`, by due time."""
    return (await session.scalars(_DUE, {"now": now})).all()


async def find_open(session: AsyncSession, channel: str) -> Sequence[Change]:
    """Return the open changes of a channel: those that are waiting or approved."""
    query = select(Change).where(
        Change.subject == channel, Change.state.in_((State.WAITING, State.APPROVED))
    )
    return (await session.scalars(query)).all()


async def find_course(
    session: AsyncSession, channel: str, schedule: Iterable[tuple[int, int]]
) -> Course | None:
    """Return the newest recorded course of `channel` with this `schedule`, or None."""
    expected = [tuple(pair) for pair in schedule]
    query = (
        select(Change)
        .where(
            Change.subject == channel,
            Change.state.in_((State.DONE, State.APPROVED)),
            Change.outcome != "",
        )
        .order_by(Change.proposed_at.desc(), Change.id.desc())  # ids sort within a second
        .limit(COURSES)
    )
    intents = [known_outcome(change).intent for change in await session.scalars(query)]
    fitting = [
        intent
        for intent in intents
        if intent is not None and [tuple(pair) for pair in intent.course.schedule] == expected
    ]
    return max(fitting, key=lambda intent: intent.at).course if fitting else None


async def has_open_intent(session: AsyncSession) -> bool:
    """Answer whether an approved change has an intent: its publication is running or crashed."""
    query = select(Change).where(Change.state == State.APPROVED, Change.outcome != "")
    return any(known_outcome(change).intent for change in await session.scalars(query))


async def record_intent(session: AsyncSession, change: Change, outcome: Outcome) -> bool:
    """Record the intent in `outcome`; return False if the change is not approved any more."""
    return await _move(session, change.id, [State.APPROVED], {"outcome": encode_text(outcome)})


_ACTIONS = {State.CANCELLED: "change.cancel", State.REJECTED: "change.reject"}


async def settle(
    session: AsyncSession,
    change: Change,
    state: State,
    outcome: Outcome,
    *,
    at: int,
    actor: str,
    names: BuildNames = NO_NAMES,
) -> None:
    """End an open change; write nothing if it is not open.

    `names` gives the build's name in the event of a refusal.
    """
    values = {"state": state, "outcome": encode_text(outcome), "finished_at": at}
    if not await _move(session, change.id, [State.WAITING, State.APPROVED], values):
        return
    detail: dict[str, Any] = {"change": change.id, "state": state}
    if outcome.snapshot:
        detail["snapshot"] = outcome.snapshot
    if outcome.reason:
        detail["reason"] = outcome.reason
    if state in {State.REFUSED, State.REJECTED}:
        build = show_change(change, names).build or UNSET
        data = ChangeRefusedData(change.action, change.id, outcome.reason, build)
        await _announce(session, change, data, at)
    action = _ACTIONS.get(state, f"rollout.{change.action}.{state}")
    await _record_step(session, change, at, actor, action, detail)


async def approve_row(
    session: AsyncSession, change: Change, *, name: str, actor: str, at: int
) -> bool:
    """Approve a waiting change; return False, without writing anything, if it is not waiting."""
    values = {"state": State.APPROVED, "approved_by": name, "approved_at": at}
    moved = await _move(session, change.id, [State.WAITING], values)
    if moved:
        detail = {"change": change.id, "proposed_by": change.proposed_by}
        await _record_step(session, change, at, actor, "change.approve", detail)
    return moved


def sentence(text: str) -> str:
    """Return a reason that fits into a row and the audit log: cut, and without surrogates."""
    return text[:REASON_LIMIT].encode(errors="backslashreplace").decode()


async def _move(
    session: AsyncSession, identity: str, states: Sequence[State], values: dict[str, Any]
) -> bool:
    statement = update(Change).where(Change.id == identity, Change.state.in_(states))
    result = await session.execute(statement.values(**values))
    return cast("CursorResult[Any]", result).rowcount == 1


async def _announce(
    session: AsyncSession, change: Change, data: ChangeWaitingData | ChangeRefusedData, at: int
) -> None:
    event = make_event(data, subject=change.subject, time=at, occasion=change.id)
    await enqueue(session, event, at)


async def _record_step(
    session: AsyncSession, change: Change, at: int, actor: str, action: str, detail: dict[str, Any]
) -> None:
    await record(session, at=at, actor=actor, action=action, subject=change.subject, detail=detail)
