"""Carries out each change once, under the publisher's lease: immediately, when due, or by retry.

    1  read the change and plan it on the public state      a crash leaves nothing
    2  write its intent                                     after a crash it is planned again
    3  publish the pointer                                  after a crash it is found as public
    4  record the change as done                            nothing is left to do

No other process publishes between 1 and 3. After a crash, the next execution of the change searches
for the intended pointer in the versions of latest, and of its parts, since the intent. So the
pointer is published at most once. No such version is drained before that
(`Rollouts.is_interrupted`).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from server.core.errors import FormatError, HeningError
from server.core.metadata import decode_targets, metadata_limit
from server.core.names import Channel, decode_channel, is_latest, metadata_name
from server.core.pointer import Pointer, decode_pointer
from server.publisher.build_names import BuildNames
from server.publisher.published import Published
from server.publisher.publisher import Publisher
from server.release.auth.audit_log import SERVER, lock_audit_log
from server.release.rollouts.binding import check_bound_state, check_recorded, check_rights
from server.release.rollouts.changes import (
    Intent,
    Outcome,
    State,
    known_outcome,
    read_arguments,
    read_outcome,
)
from server.release.rollouts.commands import (
    Halt,
    OfferCheck,
    carry_out,
    check_if_match,
    hash_pointer,
    view_channel,
)
from server.release.rollouts.ledger import (
    find_course,
    find_due,
    find_open,
    get_change,
    record_intent,
    sentence,
    settle,
)
from server.release.webhooks.change_detector import make_halted
from server.release.webhooks.deliveries import enqueue
from server.storage.bounded import read_bounded
from server.storage.database import Sessions
from server.storage.errors import StorageError
from server.storage.layout import StateFolder
from server.storage.models import Change

ORPHAN_SECONDS = 30  # after which a change is completed without the request that made it
HALT_SECONDS = 1  # the same for a halt of another process: carrying it out twice is harmless
HALT = "halt"
HALTED = "the channel was halted."  # why other changes of it are cancelled


@dataclass(eq=False)
class Execution:
    """Publishes approved changes; `clock` returns the time for everything that is written."""

    folder: StateFolder
    sessions: Sessions
    publisher: Publisher
    clock: Callable[[], datetime]
    check_offer: OfferCheck

    async def carry_out(self, identities: Sequence[str], actor: str) -> None:
        """Publish changes together, all or none; finished ones are skipped.

        If a command does not fit, all changes are refused, and its error is raised. After an
        external failure the changes stay approved, to be carried out later.
        """
        names = BuildNames({})

        async def edit(published: Published) -> Mapping[str, Pointer]:
            nonlocal names
            names = BuildNames(published.roles)
            pointers = dict(await asyncio.to_thread(published.pointers))
            for identity in identities:
                planned = await self._plan(identity, published, actor)
                if planned is not None:
                    channel, pointer = planned
                    pointers[channel.pointer_path] = pointer
            return pointers

        try:
            snapshot = await self.publisher.edit_pointers(edit)
        except (StorageError, OSError, SQLAlchemyError):
            raise
        except HeningError as error:
            if await asyncio.to_thread(self.folder.staging.exists):
                raise StorageError(f"it is accepted, but not public yet: {error}") from error
            reason = sentence(str(error))
            await self._settle(identities, State.REFUSED, 0, reason, actor, names)
            raise
        await self._settle(identities, State.DONE, snapshot, "", actor, names)

    async def _plan(
        self, identity: str, published: Published, actor: str
    ) -> tuple[Channel, Pointer] | None:
        """Plan one change and write its intent; return None if there is nothing to publish."""
        now = int(self.clock().timestamp())
        async with self.sessions() as session:
            change = await get_change(session, identity)
            if change.state == State.APPROVED:
                await check_recorded(session, change)
            channel = decode_channel(change.subject)
            view = await asyncio.to_thread(view_channel, channel, published)
            schedule = () if view.pointer is None else view.pointer.schedule
            known = await find_course(session, change.subject, schedule)
        outcome, arguments = read_outcome(change), read_arguments(change)
        if change.state != State.APPROVED or await self._is_public(channel, outcome, published):
            return None
        if view.pointer is None and isinstance(arguments.command, Halt):
            async with self.sessions.begin() as session:
                await lock_audit_log(session)
                await self._cancel_others(session, change, published, actor, now)
            return None
        check_if_match(arguments.if_match, view.etag)
        check_bound_state(
            arguments.command,
            arguments.seen,
            channel,
            view.pointer,
            lambda counter: view.names.find(channel, counter).title,
        )
        is_late = (
            actor == SERVER or change.approved_by is not None or change.due_at > change.proposed_at
        )
        if is_late and not isinstance(arguments.command, Halt):
            async with self.sessions() as session:
                await check_rights(session, change)
        edited = await asyncio.to_thread(
            carry_out, arguments.command, view, known, now, self.check_offer
        )
        intent = Intent(
            _versions(published),
            hash_pointer(edited.pointer),
            edited.pointer.steps[-1].counter,
            edited.course,
            now,
        )
        async with self.sessions.begin() as session:
            await lock_audit_log(session)
            if not await record_intent(session, change, Outcome(intent=intent)):
                return None
            if isinstance(arguments.command, Halt):
                await self._cancel_others(session, change, published, actor, now)
        return channel, edited.pointer

    async def _cancel_others(
        self, session: AsyncSession, halt: Change, published: Published, actor: str, now: int
    ) -> None:
        """Cancel the open changes of the channel, since a halt takes precedence.

        A change that was published before a crash, but not recorded as done, is recorded instead.
        """
        channel = decode_channel(halt.subject)
        for change in await find_open(session, halt.subject):
            if change.action == halt.action:
                continue
            before = known_outcome(change)
            if await self._is_public(channel, before, published):
                outcome = Outcome(before.intent, published.snapshot.version)
                await settle(session, change, State.DONE, outcome, at=now, actor=actor)
            else:
                outcome = Outcome(before.intent, 0, HALTED)
                await settle(session, change, State.CANCELLED, outcome, at=now, actor=actor)

    async def _settle(
        self,
        identities: Sequence[str],
        state: State,
        snapshot: int,
        reason: str,
        actor: str,
        names: BuildNames,
    ) -> None:
        at = int(self.clock().timestamp())
        async with self.sessions.begin() as session:
            await lock_audit_log(session)
            for identity in identities:
                change = await get_change(session, identity)
                intent = known_outcome(change).intent
                outcome = Outcome(intent, snapshot, reason)
                await settle(session, change, state, outcome, at=at, actor=actor, names=names)
                if intent is not None and state == State.DONE:
                    await _announce_halt(session, change, intent.counter, at, names)
                if change.action == HALT and state == State.DONE:
                    await self._cancel_overtaken(session, change, actor, at)

    async def _cancel_overtaken(
        self, session: AsyncSession, halt: Change, actor: str, at: int
    ) -> None:
        """Cancel changes that were proposed during the halt, for a channel not halted yet."""
        for change in await find_open(session, halt.subject):
            is_begun = known_outcome(change).intent is not None
            if change.action == halt.action or is_begun or _knows_of_halt(change):
                continue
            outcome = Outcome(reason=HALTED)
            await settle(session, change, State.CANCELLED, outcome, at=at, actor=actor)

    async def _is_public(self, channel: Channel, outcome: Outcome, published: Published) -> bool:
        if outcome.intent is None:
            return False
        public = self.folder.public / "metadata"
        newest = _versions(published)
        return await asyncio.to_thread(_is_among, public, channel, outcome.intent, newest)


def _knows_of_halt(change: Change) -> bool:
    """Answer whether a change was proposed for a channel that was halted already."""
    try:
        return read_arguments(change).seen.halted
    except FormatError:
        return False


async def _announce_halt(
    session: AsyncSession, change: Change, counter: int, at: int, names: BuildNames
) -> None:
    """Queue the event of a halt now: after a following offer, the change detector may miss it."""
    command = read_arguments(change).command
    if isinstance(command, Halt):
        channel = decode_channel(change.subject)
        build = names.find(channel, counter)
        await enqueue(session, make_halted(channel, counter, command.reason, at, build), at)


def _versions(published: Published) -> dict[str, int]:
    return {name: role.version for name, role in published.roles.items() if is_latest(name)}


def _is_among(metadata: Path, channel: Channel, intent: Intent, newest: Mapping[str, int]) -> bool:
    """Answer whether a version later than the intent's base has the intended pointer.

    Latest may have been split since, so all its parts are searched.
    """
    later = [
        (role, version)
        for role in sorted(newest)
        for version in range(newest[role], intent.base.get(role, 0), -1)
    ]
    for role, version in later:
        path = metadata / metadata_name(role, version)
        if not path.exists():
            continue
        latest = decode_targets(role, read_bounded(path, metadata_limit(role))).signed
        target = latest.targets.get(channel.pointer_path)
        if target is not None:
            custom = target.unrecognized_fields.get("custom")
            if hash_pointer(decode_pointer(channel.pointer_path, custom)) == intent.pointer:
                return True
    return False


class ChangeRunner:
    """Carries changes out; `alarm` is called for failures of changes that run without a caller.

    `under_way` has the ids of changes being carried out, for all event loops of the process.
    """

    def __init__(
        self,
        sessions: Sessions,
        execution: Execution,
        alarm: Callable[[str], None],
        under_way: set[str],
    ) -> None:
        self._sessions = sessions
        self._execution = execution
        self._alarm = alarm
        self._under_way = under_way
        self._left: set[str] = set()  # failed here for an external reason, left to `run_due`

    async def carry_out(self, identities: Sequence[str], actor: str) -> None:
        """Carry changes out.

        After an external failure they are left to `run_due`; the first failure of each raises an
        alarm.
        """
        self._under_way.update(identities)
        try:
            await self._execution.carry_out(identities, actor)
        except (StorageError, OSError, SQLAlchemyError) as error:
            for identity in identities:
                if identity not in self._left:
                    self._alarm(
                        f"change {identity} is recorded, but not carried out yet:"
                        f" {sentence(str(error))} It is retried until it is."
                    )
            self._left.update(identities)
            raise
        except HeningError:
            self._left.difference_update(identities)
            raise
        finally:
            self._under_way.difference_update(identities)
        self._left.difference_update(identities)

    async def run_due(self, now: int) -> list[str]:
        """Carry out due changes, also those that a crash or failure left; return ids of ended ones.

        Halts come first, since they cancel other changes. Changes that failed in this process are
        retried without a delay. A change that does not fit any more is refused, with an alarm. An
        external failure is raised after all changes were tried.
        """
        async with self._sessions() as session:
            due = await find_due(session, now)
        failure: Exception | None = None
        settled = []
        for change in sorted(due, key=lambda change: change.action != HALT):
            decided_at = max(change.proposed_at, change.approved_at or 0)
            is_lost = change.action == HALT and change.id not in self._under_way
            patience = HALT_SECONDS if is_lost else ORPHAN_SECONDS
            is_asked_for = change.due_at <= decided_at and change.id not in self._left
            if is_asked_for and now < decided_at + patience:
                continue  # the request that made or approved it is still carrying it out
            try:
                await self.carry_out([change.id], SERVER)
            except (StorageError, OSError, SQLAlchemyError) as error:
                failure = error
                continue
            except HeningError as error:
                self._alarm(f"{change.action} of {change.subject} was refused: {error}")
            settled.append(change.id)
        if failure is not None:
            raise failure
        return settled
