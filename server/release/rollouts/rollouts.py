"""Rollouts: commands for channels, approvals, and due changes.

In a channel that matches `approval_channels`, a change that admits phones needs two-person
approval. Pausing and halting never wait for one.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from sqlalchemy import false, or_, select, tuple_

from server.core.errors import FormatError, HeningError
from server.core.names import Channel, decode_channel
from server.core.pointer import Pointer
from server.core.release_texts import check_note
from server.publisher.build_names import BuildNames
from server.publisher.published import PublicTree, Published
from server.publisher.publisher import Publisher
from server.release.auth.audit_log import lock_audit_log
from server.release.auth.principal import EVERY_CODENAME, Permission, Principal
from server.release.auth.two_person_approval import check_approver
from server.release.errors import ConflictError, PermissionDeniedError
from server.release.rollouts.binding import BoundState, bind_state
from server.release.rollouts.changes import (
    Arguments,
    ChangeView,
    Outcome,
    State,
    known_outcome,
    make_change,
    show_change,
)
from server.release.rollouts.commands import (
    ANY,
    RAISING,
    ChangeRequest,
    ChannelView,
    Command,
    Edited,
    Halt,
    Offer,
    OfferCheck,
    Pause,
    Schedule,
    accept_offer,
    carry_out,
    check_allowed,
    check_due,
    check_if_match,
    check_words,
    view_channel,
)
from server.release.rollouts.execution import ChangeRunner, Execution
from server.release.rollouts.ledger import (
    NO_NAMES,
    add_changes,
    approve_row,
    find_course,
    find_open,
    get_change,
    has_open_intent,
    sentence,
    settle,
)
from server.release.rollouts.plan import check_plan
from server.release.rollouts.preview import Preview, preview
from server.release.rollouts.repeated import (
    DAY,
    DailyShare,
    check_share,
    find_answer,
    is_repetition,
)
from server.storage.database import Sessions
from server.storage.errors import StorageError
from server.storage.layout import StateFolder
from server.storage.models import Change
from server.storage.tree import open_tree


@dataclass(frozen=True, slots=True)
class ChangePolicy:
    """Which changes need approval, are recorded, or are refused.

    `rewordings` is an account's daily number of halts and pauses; beyond it, new reasons and notes
    of repetitions are not recorded. `approval_channels` are patterns of channels that need
    two-person approval. `check_offer` may refuse offers.
    """

    rewordings: int
    approval_channels: Sequence[str] = ()
    check_offer: OfferCheck = accept_offer


class Rollouts:
    """Commands for channels. Every change is a database row with entries in the audit log.

    `entropy(n)` returns n random bytes. `alarm` is called for failures of changes that run without
    a caller. `under_way` has the ids of changes being carried out, shared by all objects of a
    process.
    """

    def __init__(
        self,
        folder: StateFolder,
        sessions: Sessions,
        publisher: Publisher,
        clock: Callable[[], datetime],
        entropy: Callable[[int], bytes],
        policy: ChangePolicy,
        alarm: Callable[[str], None] = lambda _sentence: None,
        under_way: set[str] | None = None,
    ) -> None:
        self._tree = PublicTree(folder.public)
        # Not the publisher's object: the versions that it has read are conditions of its writes.
        self._shared = open_tree(folder)
        self._looking = asyncio.Lock()  # one thread at a time reads the tree
        self._sessions = sessions
        self._clock = clock
        self._entropy = entropy
        self._policy = policy
        execution = Execution(folder, sessions, publisher, clock, policy.check_offer)
        shared = set() if under_way is None else under_way
        self._change_runner = ChangeRunner(sessions, execution, alarm, shared)

    async def view(self, channel: Channel) -> ChannelView:
        """Return the published state of a channel; raises NotFoundError for an unknown model."""
        return await asyncio.to_thread(view_channel, channel, await self.published())

    async def follow(self) -> bool:
        """Update this node's copy of the public tree, from which views are made.

        Returns whether another node had published something. Raises StorageError if that cannot be
        determined, so that no command is refused because of an outdated copy.
        """
        try:
            return await asyncio.to_thread(self._shared.follow)
        except OSError as error:
            raise StorageError(
                f"the public tree cannot be copied to this node: {error.strerror}; check its disk."
            ) from error

    async def published(self) -> Published | None:
        """Return the current publication; only new files are parsed."""
        async with self._looking:
            return await asyncio.to_thread(self._tree.load)

    async def _names(self) -> BuildNames:
        """Return the public build names; if they cannot be read, builds have only counters."""
        try:
            published = await self.published()
        except (HeningError, OSError):
            published = None
        return BuildNames({} if published is None else published.roles)

    async def preview(self, request: ChangeRequest, *, due_at: int | None = None) -> Preview:
        """Return what phones would be offered after `request`, without changing anything.

        With `due_at`, as if it were carried out then. Raises the errors of the command itself.
        """
        now = self._now()
        at = check_due(due_at, now)
        view, edited = await self._plan(request, at)
        pointer = view.pointer if edited is None else edited.pointer
        if pointer is None:
            pointer = view.require_pointer()
        return await asyncio.to_thread(preview, request.channel, pointer, view.releases, at)

    async def check(self, request: ChangeRequest) -> None:
        """Raise the error with which `request` would be refused now, if any."""
        await self._try(request, await self.view(request.channel), self._now())

    async def request(
        self, principal: Principal, requests: Sequence[ChangeRequest], *, due_at: int | None = None
    ) -> list[ChangeView]:
        """Carry out `requests` in one publication, or queue them; return their changes.

        With `due_at` they are carried out at that time. A repeated halt or pause is not recorded if
        its reason and note are not new, or if the account has reached its daily limit; then the
        recorded change is returned.

        Raises PermissionDeniedError, PreconditionError for a stale tag, RateError for a scheduled
        pause beyond the account's limit, and the error of a command that does not fit. An external
        failure after the changes were recorded raises StorageError and an alarm; the changes are
        carried out later.
        """
        now = self._now()
        due_at = None if due_at == now else due_at
        at = check_due(due_at, now)
        changes: list[Change] = []
        answers: list[ChangeView | None] = []  # for each request; None: record a new change
        for request in requests:
            check_allowed(principal, request)
            try:
                view, edited = await self._plan(request, at)
            except StorageError:
                raise
            except HeningError:
                if not await self.follow():
                    raise
                view, edited = await self._plan(request, at)
            share = DailyShare(max(0, self._policy.rewordings - len(changes)), now - DAY)
            answer = None
            if due_at is None:
                answer = await self._find_answer(principal, request, view.pointer, edited, share)
            elif isinstance(request.command, Pause):
                async with self._sessions() as session:
                    await check_share(session, principal.name, share)
            answers.append(answer)
            if answer is None:
                changes.append(
                    self._make(principal, request, bind_state(view.pointer), now, due_at)
                )
        made = iter(await self._record(principal, changes, due_at) if changes else ())
        return [next(made) if answer is None else answer for answer in answers]

    async def approve(self, principal: Principal, identity: str) -> ChangeView:
        """Approve another account's change; if it is due, carry it out immediately."""
        async with self._sessions.begin() as session:
            await lock_audit_log(session)
            change = await get_change(session, identity)
            principal.check(Permission.APPROVE, decode_channel(change.subject).codename)
            await check_approver(session, principal, change.proposed_by)
            if not await approve_row(
                session, change, name=principal.name, actor=principal.actor, at=self._now()
            ):
                raise _not_open(change, "approved")
        return await self.complete(principal, identity)

    async def complete(self, principal: Principal, identity: str) -> ChangeView:
        """Carry out a change if it is approved and due; return its state."""
        change = await self.get(identity)
        if change.state == State.APPROVED and change.due_at <= self._now():
            try:
                await self._change_runner.carry_out([identity], principal.actor)
            except StorageError:
                raise
            except HeningError:
                pass  # the change, which is returned, has the error as its reason
        return await self.get(identity)

    async def reject(self, principal: Principal, identity: str, reason: str) -> ChangeView:
        """Reject a change that waits for approval, with a reason."""
        check_note(reason)
        names = await self._names()
        async with self._sessions.begin() as session:
            await lock_audit_log(session)
            change = await get_change(session, identity)
            principal.check(Permission.APPROVE, decode_channel(change.subject).codename)
            if change.state != State.WAITING:
                raise _not_open(change, "rejected")
            outcome, actor = Outcome(reason=sentence(reason)), principal.actor
            await settle(
                session, change, State.REJECTED, outcome, at=self._now(), actor=actor, names=names
            )
        return await self.get(identity)

    async def cancel(self, principal: Principal, identity: str, reason: str) -> ChangeView:
        """Cancel a change that has not begun: the caller's own, or, as an approver, any."""
        check_note(reason)
        async with self._sessions.begin() as session:
            await lock_audit_log(session)
            change = await get_change(session, identity)
            codename = decode_channel(change.subject).codename
            is_own = principal.name == change.proposed_by
            if not principal.is_allowed(
                Permission.ROLLOUT if is_own else Permission.APPROVE, codename
            ):
                raise PermissionDeniedError(
                    f"{principal.name} may not cancel this change: ask {change.proposed_by}, who"
                    " proposed it, or an approver."
                )
            is_begun = known_outcome(change).intent is not None
            if change.state not in {State.WAITING, State.APPROVED} or is_begun:
                raise _not_open(change, "cancelled")
            outcome, actor = Outcome(reason=sentence(reason)), principal.actor
            await settle(session, change, State.CANCELLED, outcome, at=self._now(), actor=actor)
        return await self.get(identity)

    async def get(self, identity: str) -> ChangeView:
        """Return a change; raises NotFoundError."""
        names = await self._names()
        async with self._sessions() as session:
            return show_change(await get_change(session, identity), names)

    async def find(
        self,
        *,
        state: str = "",
        channel: str = "",
        codenames: Sequence[str] = (EVERY_CODENAME,),
        before: str = "",
        limit: int = 50,
    ) -> list[ChangeView]:
        """Return changes of models in `codenames`, newest first, only those older than `before`.

        `before` is the id of the last change of the previous page. Raises FormatError if it does
        not exist.
        """
        names = await self._names()
        query = select(Change).order_by(Change.proposed_at.desc(), Change.id.desc()).limit(limit)
        if state:
            query = query.where(Change.state == state)
        if channel:
            query = query.where(Change.subject == channel)
        if EVERY_CODENAME not in codenames:
            own = (Change.subject.startswith(f"{name}/", autoescape=True) for name in codenames)
            query = query.where(or_(false(), *own))
        async with self._sessions() as session:
            if before:
                last = await session.get(Change, before)
                if last is None:
                    raise FormatError("there is no such change: start from the first page.")
                is_older = tuple_(Change.proposed_at, Change.id) < (last.proposed_at, last.id)
                query = query.where(is_older)
            return [show_change(change, names) for change in await session.scalars(query)]

    async def run_due(self) -> list[ChangeView]:
        """Carry out due changes, also those that a crash or failure left; return the ended ones.

        An external failure is raised after all of them were tried.
        """
        return [
            await self.get(identity) for identity in await self._change_runner.run_due(self._now())
        ]

    async def is_interrupted(self) -> bool:
        """Answer whether a change may have been published without being recorded as done."""
        async with self._sessions() as session:
            return await has_open_intent(session)

    def is_approval_needed(self, channel: Channel, command: Command) -> bool:
        """Answer whether `command` needs two-person approval in `channel`."""
        return isinstance(command, RAISING) and any(
            fnmatchcase(str(channel), pattern) for pattern in self._policy.approval_channels
        )

    def _make(
        self,
        principal: Principal,
        request: ChangeRequest,
        seen: BoundState,
        now: int,
        due_at: int | None,
    ) -> Change:
        # The tag of a waiting change is not checked later: `seen` binds it to build and pause.
        is_waiting = self.is_approval_needed(request.channel, request.command)
        is_bound = due_at is None and not is_waiting and not isinstance(request.command, Halt)
        tag = request.if_match if is_bound else ANY
        change = make_change(
            self._identity(),
            str(request.channel),
            Arguments(request.command, seen, tag, request.note),
            principal.name,
            now,
            now if due_at is None else due_at,
        )
        if is_waiting:
            change.state = State.WAITING
        return change

    async def _plan(self, request: ChangeRequest, at: int) -> tuple[ChannelView, Edited | None]:
        """Return the view of the channel and the result of `_try`; raises the same errors."""
        view = await self.view(request.channel)
        if not isinstance(request.command, Halt):
            check_if_match(request.if_match, view.etag)
        return view, await self._try(request, view, at)

    async def _try(self, request: ChangeRequest, view: ChannelView, now: int) -> Edited | None:
        """Plan a command on the present state; raises an error if it does not fit.

        Returns None for the halt of a channel that offers nothing yet, but has open changes.
        """
        check_words(request, view.pointer)
        if view.pointer is None and isinstance(request.command, Halt):
            async with self._sessions() as session:
                if await find_open(session, str(request.channel)):
                    return None
        schedule = () if view.pointer is None else view.pointer.schedule
        async with self._sessions() as session:
            known = await find_course(session, str(request.channel), schedule)

        def plan() -> Edited:
            if isinstance(request.command, Offer | Schedule):
                check_plan(request.command.plan, self._now())
            return carry_out(request.command, view, known, now, self._policy.check_offer)

        return await asyncio.to_thread(plan)

    async def _record(
        self, principal: Principal, changes: Sequence[Change], due_at: int | None
    ) -> list[ChangeView]:
        """Insert new changes and carry out those that do not wait; raises if one does not fit."""
        waits = any(c.state == State.WAITING or c.due_at > c.proposed_at for c in changes)
        names = await self._names() if waits else NO_NAMES  # only waiting ones are announced
        async with self._sessions.begin() as session:
            await lock_audit_log(session)
            await add_changes(session, changes, principal.actor, names)
        immediate = [
            change.id for change in changes if change.state == State.APPROVED and due_at is None
        ]
        if immediate:
            await self._change_runner.carry_out(immediate, principal.actor)
        views = [await self.get(change.id) for change in changes]
        for view in views:
            if view.id in immediate and view.state != State.DONE:
                raise ConflictError(f"change {view.id} is {view.state}: {view.reason}")
        return views

    async def _find_answer(
        self,
        principal: Principal,
        request: ChangeRequest,
        before: Pointer | None,
        edited: Edited | None,
        share: DailyShare,
    ) -> ChangeView | None:
        """Return the recorded change that answers a repeated halt or pause, if any."""
        if before is None or edited is None or not is_repetition(request, before, edited.pointer):
            return None
        after = edited.pointer
        async with self._sessions() as session:
            change = await find_answer(session, request, principal.name, before, after, share)
        if change is None:
            return None
        # Changes that were open before may be public by now, and other nodes may have added more.
        await self.follow()
        if (await self.view(request.channel)).pointer != before:
            return None
        return show_change(change, await self._names())

    def _identity(self) -> str:
        """Return the id of a new change; ids sort by creation time."""
        return f"{int(self._clock().timestamp() * 1000):012x}{self._entropy(10).hex()}"

    def _now(self) -> int:
        return int(self._clock().timestamp())


def _not_open(change: Change, action: str) -> ConflictError:
    return ConflictError(f"change {change.id} is {change.state} and cannot be {action}.")
