"""Receives signed metadata and reports its result: docs/FORMATS.md section 6.

1  check `bundle.json` and the caller's rights       a crash leaves nothing
2  check each role file as it arrives, and write it  a crash leaves a folder, removed later
   to a folder with a temporary name
3  record submitter and receipt in the audit log     a crash leaves a folder with that receipt
4  move the bundle to the inbox, wake the publisher  from here on the publisher is responsible

A temporary folder whose receipt is in the audit log goes to the inbox at the next start, or when
the bundle is submitted again. It is removed instead if the bundle has ended since, or has a newer
receipt.
"""

import asyncio
import contextlib
import hashlib
import json
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from sqlalchemy import Select, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.core.bundle import MAX_BUNDLE, Bundle, Result, RoleFile, decode_bundle
from server.core.encodings import check_sha256
from server.core.errors import FormatError
from server.core.names import metadata_name
from server.publisher.inbox import Inbox
from server.release.auth.audit_log import SERVER, record
from server.release.auth.principal import EVERY_CODENAME, Permission, Principal, redact
from server.release.errors import ConflictError, NotFoundError
from server.release.submissions.intake import (
    Intake,
    TemporaryBundle,
    check_free,
    check_size,
    find_temporary_bundles,
)
from server.settings import Settings
from server.storage.blobs import BlobStore, BlobThreads
from server.storage.database import Sessions
from server.storage.errors import StorageError
from server.storage.layout import StateFolder
from server.storage.models import AuditLogEntry, Blob
from server.storage.models import Submission as Row


class SubmissionView(msgspec.Struct, frozen=True):
    """One submission."""

    id: str
    status: Literal["waiting", "published", "refused"]
    reason: Annotated[str, msgspec.Meta(description="Why it was refused; else empty.")]
    snapshot: Annotated[
        int, msgspec.Meta(description="The version of snapshot that published it; else 0.")
    ]
    finished: Annotated[int, msgspec.Meta(description="Epoch seconds; 0 while it waits.")]

    @property
    def key(self) -> str:
        """The sort key of the listing, newest first; waiting bundles come before all others."""
        return f"{self.finished or 10**15:016d}.{self.id}"


def _show(row: Row) -> SubmissionView:
    """Return the state of a bundle from its row, which the publisher wrote."""
    return SubmissionView(
        row.id,
        "published" if row.status == "published" else "refused",
        row.reason,
        row.snapshot,
        row.finished_at,
    )


def _show_waiting(submission_id: str) -> SubmissionView:
    return SubmissionView(submission_id, "waiting", "", 0, 0)


_NAMED_IN_AUDIT_LOG = 200  # roles of a bundle; the bundle's id is a hash of all of them
RECEIVE = "submission.receive"
MAX_WAIT = 30
"""The longest time that a request waits for a result, in seconds: proxies time out at 60."""


@dataclass(eq=False)
class Submissions:
    """All submissions of a site.

    `wake` makes the publisher of this process look for bundles immediately.
    """

    folder: StateFolder
    sessions: Sessions
    blobs: BlobStore
    clock: Callable[[], datetime]
    entropy: Callable[[int], bytes]
    wake: Callable[[], None]
    settings: Settings
    inbox: Inbox
    _threads: BlobThreads = field(default_factory=BlobThreads, init=False)
    # Threads for the inbox only, so that calls of the blob store do not delay it.
    _inbox_threads: BlobThreads = field(default_factory=BlobThreads, init=False)
    _under_way: set[TemporaryBundle] = field(default_factory=set[TemporaryBundle], init=False)
    _naming: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def submit(
        self, principal: Principal, submission_id: str, pieces: AsyncIterator[bytes]
    ) -> SubmissionView:
        """Receive a bundle: `bundle.json`, then the role files in the order it lists.

        The blobs that it names must be in the store. Submitting a bundle again changes nothing if
        it waits or is published, and tries a refused bundle again. Afterwards, also after an error,
        the caller may continue to read from `pieces`.
        """
        intake = Intake(pieces)
        data = await intake.line(MAX_BUNDLE)
        if hashlib.sha256(data).hexdigest() != submission_id:
            raise FormatError("the submission's id is not the sha256 of its bundle.json.")
        bundle = _decode(data)
        for role in bundle.roles:
            principal.check(Permission.SUBMIT, role.name)
        total = check_size(bundle, self.settings.submission_limit)
        await self._check_blobs(bundle)
        state = await self._find(submission_id)
        if state is not None and state.status != "refused":
            await intake.skip(total)
            return state
        disk = await asyncio.to_thread(shutil.disk_usage, self.folder.root)
        check_free(total, disk.free, self.settings.keep_free)
        temporary = TemporaryBundle(self.folder.incoming, submission_id, self.entropy(8).hex())
        self._under_way.add(temporary)
        try:
            await _write(intake, bundle, data, temporary)
            async with self._naming:
                state = await self._find(submission_id)
                is_new = state is None or state.status == "refused"
                if is_new and not await self._settle(submission_id):
                    await self._record(principal, bundle, temporary)
                    await self._hand_in(temporary)
                else:  # another request or node submitted it meanwhile
                    await asyncio.to_thread(temporary.remove)
        finally:
            self._under_way.discard(temporary)
        self.wake()
        return _show_waiting(submission_id)

    async def get(self, submission_id: str, wait: float = 0) -> SubmissionView:
        """Return the state of a submission, after waiting up to `wait` seconds for its result."""
        check_sha256(submission_id)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(wait, MAX_WAIT)
        while True:
            state = await self._find(submission_id)
            if state is None:
                raise NotFoundError("there is no such submission: submit it first.")
            if state.status != "waiting" or loop.time() >= deadline:
                return state
            await asyncio.sleep(self.inbox.look_seconds)

    async def list(self, principal: Principal, after: str, limit: int) -> Sequence[SubmissionView]:
        """Return up to `limit` submissions after the key `after`, newest first.

        A caller with all codenames sees all submissions, other callers those of their account.
        """
        waiting = await self.list_waiting()
        order = (Row.finished_at.desc(), Row.id.desc())
        query = select(Row).where(Row.id.not_in(waiting)).order_by(*order).limit(limit)
        received = None if EVERY_CODENAME in principal.codenames else _received_from(principal.name)
        if received is not None:
            query = query.where(received.where(AuditLogEntry.subject == Row.id).exists())
        if after:
            finished_at, _, last = after.partition(".")
            if not finished_at.isdecimal():
                raise FormatError("the cursor is not from this server: start from the first page.")
            earlier = Row.finished_at < int(finished_at)
            same = and_(Row.finished_at == int(finished_at), Row.id < last)
            query = query.where(or_(earlier, same))
        async with self.sessions() as session:
            rows = await session.scalars(query)
            states = [_show(row) for row in rows]
            if received is not None:
                query_own = received.where(AuditLogEntry.subject.in_(waiting))
                waiting = sorted(set(await session.scalars(query_own)))
        states += map(_show_waiting, waiting)
        states.sort(key=lambda state: state.key, reverse=True)
        return [state for state in states if not after or state.key < after][:limit]

    async def list_waiting(self) -> Sequence[str]:
        """Return the ids of the waiting bundles, oldest first."""
        return await self._inbox_threads.run(self.inbox.waiting)

    async def tidy(self) -> None:
        """Clean up after a crash; call it at the start, before `submit`."""
        with contextlib.suppress(StorageError):  # the folder waits for the next start
            async with self._naming:
                await self._settle()

    async def _hand_in(self, temporary: TemporaryBundle) -> None:
        await self._inbox_threads.run(
            self.inbox.hand_in, temporary.path, temporary.submission, temporary.receipt
        )

    async def _settle(self, submission_id: str = "") -> bool:
        """Move folders whose receipt is in the audit log to the inbox; return whether any moved.

        With `submission_id`, handle only folders of that bundle. Folders without a valid receipt
        are removed, except those being written. After a failure between steps 2 and 4, only the
        audit log shows whether the receipt was recorded.
        """
        found = await asyncio.to_thread(find_temporary_bundles, self.folder.incoming)
        revealed = False
        for temporary in found:
            if temporary in self._under_way or submission_id not in {"", temporary.submission}:
                continue
            async with self.sessions() as session:
                receipt = await _find_receipt(session, temporary.submission)
                row = await session.get(Row, temporary.submission)
            has_ended = row is not None and row.attempt == receipt
            if temporary.receipt == receipt and not has_ended:
                await self._hand_in(temporary)
                revealed = True
            else:
                await asyncio.to_thread(temporary.remove)
        return revealed

    async def _record(
        self, principal: Principal, bundle: Bundle, temporary: TemporaryBundle
    ) -> None:
        roles = [f"{role.name} {role.version}" for role in bundle.roles]
        detail = {"blobs": len(bundle.blobs), "count": len(roles), "receipt": temporary.receipt}
        async with self.sessions.begin() as session:
            await record(
                session,
                at=int(self.clock().timestamp()),
                actor=principal.actor,
                action=RECEIVE,
                subject=temporary.submission,
                detail={**detail, "roles": roles[:_NAMED_IN_AUDIT_LOG]},
            )

    async def _find(self, submission_id: str) -> SubmissionView | None:
        try:
            if await self._inbox_threads.run(self.inbox.waits, submission_id):
                return _show_waiting(submission_id)
        except StorageError:  # a bundle that has ended does not wait: the inbox is not needed
            async with self.sessions() as session:
                row = await session.get(Row, submission_id)
                if row is None or row.attempt != await _find_receipt(session, submission_id):
                    raise
            return _show(row)
        async with self.sessions() as session:
            row = await session.get(Row, submission_id)
        return None if row is None else _show(row)

    async def _check_blobs(self, bundle: Bundle) -> None:
        names = {blob.sha256: blob.length for blob in bundle.blobs}
        async with self.sessions() as session:
            found = await session.execute(
                select(Blob.sha256, Blob.length).where(Blob.sha256.in_(names))
            )
            recorded = {sha256: length for sha256, length in found}  # noqa: C416 - rows

        lengths = await self._threads.run(self.blobs.lengths, set(names))
        for sha256, length in names.items():
            if {recorded.get(sha256), lengths.get(sha256)} != {length}:
                raise ConflictError(
                    f"the blob {sha256} of {length} bytes is not here: upload it first."
                )


async def _write(intake: Intake, bundle: Bundle, data: bytes, temporary: TemporaryBundle) -> None:
    """Do step 2; a failure removes the folder."""
    try:
        await asyncio.to_thread(temporary.begin)
        for role in bundle.roles:
            await _receive(intake, role, temporary)
        await intake.end()
        await asyncio.to_thread(temporary.complete, data)
    except BaseException:
        await asyncio.to_thread(temporary.remove)
        raise


async def _find_receipt(session: AsyncSession, submission_id: str) -> str | None:
    """Return the receipt of a bundle's latest submission."""
    query = (
        select(AuditLogEntry.detail)
        .where(AuditLogEntry.action == RECEIVE, AuditLogEntry.subject == submission_id)
        .order_by(AuditLogEntry.index.desc())
        .limit(1)
    )
    receipt: str | None = json.loads(await session.scalar(query) or "{}").get("receipt")
    return receipt


def _received_from(name: str) -> Select[str]:
    """Return the query for the ids of an account's submissions, with any of its tokens or none."""
    token = AuditLogEntry.actor.startswith(f"{name}/", autoescape=True)
    return select(AuditLogEntry.subject).where(
        AuditLogEntry.action == RECEIVE, or_(AuditLogEntry.actor == name, token)
    )


def _decode(data: bytes) -> Bundle:
    try:
        return decode_bundle(data)
    except FormatError as error:
        raise FormatError(
            f"the submission's first line is not a valid bundle.json: {error}"
        ) from error


async def _receive(intake: Intake, role: RoleFile, temporary: TemporaryBundle) -> None:
    name = metadata_name(role.name, role.version)
    data = await intake.take(role.length)
    if hashlib.sha256(data).hexdigest() != role.sha256:
        raise FormatError(f"{name} is not the file that the bundle names.")
    await asyncio.to_thread(temporary.write_role, name, data)


async def record_end(session: AsyncSession, result: Result) -> None:
    """Record that a bundle was published, or refused and why.

    The submitter is in the entry `submission.receive`; a bundle that was copied into `incoming/`
    has no such entry. A reason may quote the submission, so tokens are redacted.
    """
    is_published = result.status == "published"
    await record(
        session,
        at=result.time,
        actor=SERVER,
        action="submission.publish" if is_published else "submission.refuse",
        subject=result.id,
        detail={"snapshot": result.snapshot} if is_published else {"reason": redact(result.reason)},
    )
