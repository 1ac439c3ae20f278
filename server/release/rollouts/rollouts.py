"""Rollouts: commands for channels, approvals, and due changes.

In a channel of `approval_channels` a change that admits phones needs two-person approval. Pausing
and halting never wait.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from fnmatch import fnmatchcase

from sqlalchemy.ext.asyncio import AsyncSession

from server.core.errors import HeningError
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
from server.release.rollouts.binding import Seen, see
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
    find_changes,
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


class Rollouts:
    """Commands for channels. Every change is a row of the database and an entry of the audit log.

    `entropy(n)` returns n random bytes; `alarm` receives the failures of unattended changes.
    Objects of one process share `under_way`: the ids of changes being carried out. `rewordings`:
    daily halts and pauses of an account, beyond which new reasons and notes of a repetition are not
    recorded. `check_offer` may refuse offers.
    """

    def __init__(
        self,
        folder: StateFolder,
        sessions: Sessions,
        publisher: Publisher,
        clock: Callable[[], datetime],
        entropy: Callable[[int], bytes],
        approval_channels: Sequence[str] = (),
        alarm: Callable[[str], None] = lambda _sentence: None,
        under_way: set[str] | None = None,
        *,
        rewordings: int,
        check_offer: OfferCheck = accept_offer,
    ) -> None:
        self._tree = PublicTree(folder.public)
        # Not the publisher's: what it has seen is the condition of what it writes.
        self._shared = open_tree(folder)
        self._looking = asyncio.Lock()  # one thread at a time reads the tree
        self._sessions = sessions
        self._clock = clock
        self._entropy = entropy
        self._approval_channels = tuple(approval_channels)
        self._check_offer = check_offer
        execution = Execution(folder, sessions, publisher, clock, check_offer)
        shared = set() if under_way is None else under_way
        self._rewordings = rewordings
        self._change_runner = ChangeRunner(sessions, execution, alarm, shared)

    async def view(self, channel: Channel) -> ChannelView:
        """Return the published state of a channel; raises NotFoundError for an unknown model."""
        return await asyncio.to_thread(view_channel, channel, await self.published())

    async def follow(self) -> bool:
        """Look for what another node published a moment ago: views are of this node's copy.

        Returns whether there was something. Raises StorageError where the look fails: nothing is
        refused for what an old copy says.
        """
        try:
            return await asyncio.to_thread(self._shared.follow)
        except OSError as error:
            raise StorageError(
                f"what is public cannot be copied to this node: {error.strerror}; look at its disk."
            ) from error

    async def published(self) -> Published | None:
        """Return what is published now; only new files are parsed."""
        async with self._looking:
            return await asyncio.to_thread(self._tree.load)

    async def _names(self) -> BuildNames:
        """Return the public build names; if these cannot be read, builds have only counters."""
        try:
            published = await self.published()
        except (HeningError, OSError):
            published = None
        return BuildNames({} if published is None else published.roles)

    async def preview(self, request: ChangeRequest, *, due_at: int | None = None) -> Preview:
        """Return what phones would be offered after `request`; changes and records nothing.

        With `due_at` as if carried out then. Raises what the command itself would raise.
        """
        now = self._now()
        at = check_due(due_at, now)
        view, edited = await self._plan(request, at)
        pointer = view.pointer if edited is None else edited.pointer
        if pointer is None:
            pointer = view.require_pointer()
        return await asyncio.to_thread(preview, request.channel, pointer, view.releases, at)

    async def check(self, request: ChangeRequest) -> None:
        """Raise the error with which `request` would be refused now."""
        await self._try(request, await self.view(request.channel), self._now())

    async def request(
        self, principal: Principal, requests: Sequence[ChangeRequest], *, due_at: int | None = None
    ) -> list[ChangeView]:
        """Carry out `requests`, published together, or queue them; returns their changes.

        With `due_at` they are carried out then. Raises PermissionDeniedError, PreconditionError for
        a stale tag, RateError for a scheduled pause beyond the account's limit, and the error of a
        command that does not fit. After an external failure in the middle, StorageError is raised,
        and the change is carried out later, with an alarm. A repeated halt or pause is not recorded
        if it says nothing new or the account has reached its limit: its change is the recorded one.
        """
        now = self._now()
        due_at = None if due_at == now else due_at
        at = check_due(due_at, now)
        changes: list[Change] = []
        answers: list[ChangeView | None] = []  # of each request, None for one that is recorded
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
            share = DailyShare(max(0, self._rewordings - len(changes)), now - DAY)
            answer = None
            if due_at is None:
                answer = await self._find_answer(principal, request, view.pointer, edited, share)
            elif isinstance(request.command, Pause):
                async with self._sessions() as session:
                    await check_share(session, principal.name, share)
            answers.append(answer)
            if answer is None:
                changes.append(self._make(principal, request, see(view.pointer), now, due_at))
        made = iter(await self._record(principal, changes, due_at) if changes else ())
        return [next(made) if answer is None else answer for answer in answers]

    async def approve(self, principal: Principal, identity: str) -> ChangeView:
        """Approve another account's change; if due, it is carried out immediately."""
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
        """Carry out an approved and due change, unless it is done; returns its state."""
        change = await self.get(identity)
        if change.state == State.APPROVED and change.due_at <= self._now():
            try:
                await self._change_runner.carry_out([identity], principal.actor)
            except StorageError:
                raise
            except HeningError:
                pass  # the change itself has the error, for the caller to read
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
            await self._end(
                session, change, principal, State.REJECTED, reason, "change.reject", names
            )
        return await self.get(identity)

    async def cancel(self, principal: Principal, identity: str, reason: str) -> ChangeView:
        """Cancel a change that is not carried out yet: one's own, or as an approver any."""
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
            await self._end(session, change, principal, State.CANCELLED, reason, "change.cancel")
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
        """Return changes of models in `codenames`, the newest first, from after `before` on."""
        names = await self._names()
        async with self._sessions() as session:
            found = await find_changes(
                session,
                state=state,
                channel=channel,
                codenames=codenames,
                before=before,
                limit=limit,
            )
        return [show_change(change, names) for change in found]

    async def run_due(self) -> list[ChangeView]:
        """Carry out due changes, and those that a crash or failure left; returns the finished ones.

        An external failure is raised after everything was tried.
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
            fnmatchcase(str(channel), pattern) for pattern in self._approval_channels
        )

    def _make(
        self, principal: Principal, request: ChangeRequest, seen: Seen, now: int, due_at: int | None
    ) -> Change:
        # For a waiting change the tag is checked only now; build and pause stay bound.
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
        """Return the view of the channel and what `_try` says; raises what it raises."""
        view = await self.view(request.channel)
        if not isinstance(request.command, Halt):
            check_if_match(request.if_match, view.etag)
        return view, await self._try(request, view, at)

    async def _try(self, request: ChangeRequest, view: ChannelView, now: int) -> Edited | None:
        """Plan a command on the present state; raises the error if it does not fit.

        None is a halt of a channel that offers nothing yet, but has waiting changes.
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
            return carry_out(request.command, view, known, now, self._check_offer)

        return await asyncio.to_thread(plan)

    async def _record(
        self, principal: Principal, changes: Sequence[Change], due_at: int | None
    ) -> list[ChangeView]:
        """Insert new changes and carry out those that need not wait; raises if they do not fit."""
        waits = any(c.state == State.WAITING or c.due_at > c.proposed_at for c in changes)
        names = await self._names() if waits else BuildNames({})  # only waiting ones are announced
        async with self._sessions.begin() as session:
            await lock_audit_log(session)
            await add_changes(session, changes, principal.actor, names)
        at_once = [
            change.id for change in changes if change.state == State.APPROVED and due_at is None
        ]
        if at_once:
            await self._change_runner.carry_out(at_once, principal.actor)
        views = [await self.get(change.id) for change in changes]
        for view in views:
            if view.id in at_once and view.state != State.DONE:
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
        # Changes that were open at that look are public by now; other nodes may have made more.
        await self.follow()
        if (await self.view(request.channel)).pointer != before:
            return None
        return show_change(change, await self._names())

    async def _end(
        self,
        session: AsyncSession,
        change: Change,
        principal: Principal,
        state: State,
        reason: str,
        action: str,
        names: BuildNames = NO_NAMES,
    ) -> None:
        await settle(
            session,
            change,
            state,
            Outcome(None, 0, sentence(reason)),
            at=self._now(),
            actor=principal.actor,
            action=action,
            names=names,
        )

    def _identity(self) -> str:
        """Return the id of a new change; ids sort as the changes were made."""
        return f"{int(self._clock().timestamp() * 1000):012x}{self._entropy(10).hex()}"

    def _now(self) -> int:
        return int(self._clock().timestamp())


def _not_open(change: Change, what: str) -> ConflictError:
    return ConflictError(f"change {change.id} is {change.state} and cannot be {what}.")
