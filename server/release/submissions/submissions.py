"""Takes signed metadata in and tells what has become of it: docs/FORMATS.md section 6.

1  what its list says is checked, and who may        nothing is written
2  the role files are written as they arrive, under  a crash leaves a folder that is swept
   a temporary name, each checked before
3  the trail says who submitted it                   a crash leaves an entry without a bundle
4  it gets its name, and the publisher is woken      from here on the publisher answers for it
"""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import and_, or_, select

from server.core.bundle import MAX_BUNDLE, Bundle, RoleFile, decode_bundle
from server.core.encodings import check_sha256
from server.core.errors import FormatError
from server.core.names import metadata_name
from server.publisher.incoming import list_submissions
from server.release.errors import ConflictError, NotFoundError
from server.release.people.permissions import Permission
from server.release.people.principal import Principal
from server.release.people.trail import record
from server.release.submissions.intake import Intake
from server.release.submissions.limits import SubmissionLimits, check_free, check_size
from server.release.submissions.state import SubmissionState, state_of, waits
from server.release.submissions.writing import (
    PREFIX,
    begin_bundle,
    complete_bundle,
    reveal_bundle,
    sweep_bundles,
    write_role,
)
from server.storage.blobs import BlobStore
from server.storage.database import Sessions
from server.storage.layout import StateFolder
from server.storage.models import Blob
from server.storage.models import Submission as Row

_NAMED_IN_TRAIL = 200  # roles of a bundle; the bundle's id is a hash of all of them
_LOOK_SECONDS = 0.05  # between two looks at whether a bundle has its result
MAX_WAIT = 30
"""Seconds for which a question may wait for its answer: proxies cut at 60."""


class Submissions:
    """All submissions of a state folder. `wake` makes the publisher look into `incoming` now.

    `free` gives the octets that are free on the disk of a folder.
    """

    def __init__(
        self,
        folder: StateFolder,
        sessions: Sessions,
        blobs: BlobStore,
        clock: Callable[[], datetime],
        entropy: Callable[[int], bytes],
        wake: Callable[[], None],
        free: Callable[[Path], int],
        limits: SubmissionLimits,
    ) -> None:
        self._folder = folder
        self._sessions = sessions
        self._blobs = blobs
        self._clock = clock
        self._entropy = entropy
        self._wake = wake
        self._free = free
        self._limits = limits

    async def submit(
        self, principal: Principal, submission_id: str, pieces: AsyncIterator[bytes]
    ) -> SubmissionState:
        """Take a bundle: its `bundle.json`, then its role files in the list's order.

        Blobs that it names must be here. The same bundle again is the same submission: one that
        waits or is published is left as it is, one that was refused is tried once more. However it
        ends, the caller may read on from `pieces`.
        """
        intake = Intake(pieces)
        data = await intake.line(MAX_BUNDLE)
        if hashlib.sha256(data).hexdigest() != submission_id:
            raise FormatError("the submission's id is not the sha256 of its bundle.json.")
        bundle = decode_bundle(data)
        for role in bundle.roles:
            principal.check(Permission.SUBMIT, role.name)
        total = check_size(bundle, self._limits)
        await self._check_blobs(bundle)
        state = await self._find(submission_id)
        if state is not None and state.status != "refused":
            await intake.skip(total)
            return state
        check_free(total, await asyncio.to_thread(self._free, self._folder.root), self._limits)
        suffix = f"{submission_id[:16]}-{self._entropy(8).hex()}"
        temporary = self._folder.incoming / f"{PREFIX}{suffix}"
        try:
            await asyncio.to_thread(begin_bundle, temporary)
            for role in bundle.roles:
                await _receive(intake, role, temporary)
            await intake.end()
            await asyncio.to_thread(complete_bundle, temporary, data)
            await self._record(principal, submission_id, bundle)
            await asyncio.to_thread(reveal_bundle, temporary, self._folder.incoming / submission_id)
        finally:
            await asyncio.to_thread(shutil.rmtree, temporary, ignore_errors=True)
        self._wake()
        return SubmissionState(submission_id, "waiting")

    async def look(self, submission_id: str, wait: float = 0) -> SubmissionState:
        """Return what has become of a submission; waits up to `wait` seconds for its result."""
        check_sha256(submission_id)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(wait, MAX_WAIT)
        while True:
            state = await self._find(submission_id)
            if state is None:
                raise NotFoundError("there is no such submission.")
            if state.status != "waiting" or loop.time() >= deadline:
                return state
            await asyncio.sleep(_LOOK_SECONDS)

    async def list(self, after: str, limit: int) -> Sequence[SubmissionState]:
        """Return `limit` submissions that follow the key `after`, the newest first."""
        waiting = await asyncio.to_thread(list_submissions, self._folder.incoming)
        order = (Row.finished_at.desc(), Row.id.desc())
        query = select(Row).where(Row.id.not_in(waiting)).order_by(*order).limit(limit)
        if after:
            finished_at, _, last = after.partition(".")
            if not finished_at.isdecimal():
                raise FormatError("the cursor is none that this server gave.")
            earlier = Row.finished_at < int(finished_at)
            same = and_(Row.finished_at == int(finished_at), Row.id < last)
            query = query.where(or_(earlier, same))
        async with self._sessions() as session:
            rows = await session.scalars(query)
            states = [state_of(row) for row in rows]
        states += [SubmissionState(each, "waiting") for each in waiting]
        states.sort(key=lambda state: state.key, reverse=True)
        return [state for state in states if not after or state.key < after][:limit]

    async def tidy(self) -> None:
        """Remove what a crash left half written; for the start, before anything is submitted."""
        await asyncio.to_thread(sweep_bundles, self._folder.incoming)

    async def _record(self, principal: Principal, submission_id: str, bundle: Bundle) -> None:
        roles = [f"{role.name} {role.version}" for role in bundle.roles]
        detail = {"blobs": len(bundle.blobs), "count": len(roles)}
        async with self._sessions.begin() as session:
            await record(
                session,
                at=int(self._clock().timestamp()),
                actor=principal.actor,
                action="submission.receive",
                subject=submission_id,
                detail={**detail, "roles": roles[:_NAMED_IN_TRAIL]},
            )

    async def _find(self, submission_id: str) -> SubmissionState | None:
        if await asyncio.to_thread(waits, self._folder, submission_id):
            return SubmissionState(submission_id, "waiting")
        async with self._sessions() as session:
            row = await session.get(Row, submission_id)
        return None if row is None else state_of(row)

    async def _check_blobs(self, bundle: Bundle) -> None:
        names = {blob.sha256: blob.length for blob in bundle.blobs}
        async with self._sessions() as session:
            found = await session.execute(
                select(Blob.sha256, Blob.length).where(Blob.sha256.in_(names))
            )
            recorded = {sha256: length for sha256, length in found}  # noqa: C416 - rows

        lengths = await asyncio.to_thread(self._blobs.lengths, set(names))
        for sha256, length in names.items():
            if {recorded.get(sha256), lengths.get(sha256)} != {length}:
                raise ConflictError(
                    f"the blob {sha256} of {length} octets is not here: upload it first."
                )


async def _receive(intake: Intake, role: RoleFile, temporary: Path) -> None:
    name = metadata_name(role.name, role.version)
    octets = await intake.take(role.length)
    if hashlib.sha256(octets).hexdigest() != role.sha256:
        raise FormatError(f"{name} is not the file that the bundle names.")
    await asyncio.to_thread(write_role, temporary, name, octets)
