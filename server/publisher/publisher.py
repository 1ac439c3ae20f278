"""Publishing in seven steps, each durable before the next.

    1  blobs by hash                              a crash leaves blobs that nobody names
    2  verify the new roles                       nothing is written
    3  stage role files, snapshot and timestamp,  a crash leaves a temporary folder: discarded
       audit them, accept them under their name   from here on a restart completes
    4  append to the log, tiles, checkpoint       pending leaves, seen by auditors
    5  make the immutable files visible           files that nothing points to
    6  swap timestamp.json                        the new release is out
    7  read back what is public                   an alarm; nothing is taken back

The happy path runs through `complete`, which is also what a restart runs.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from sqlalchemy import select

from server.core.bundle import Result
from server.core.encodings import check_sha256
from server.core.errors import HeningError
from server.core.metadata import ROOT_LIMIT, decode_timestamp
from server.core.names import metadata_name, role_pattern
from server.core.pointer import Pointer
from server.core.profile import log_verifier
from server.publisher import incoming, staging
from server.publisher.audit import audit_staged
from server.publisher.errors import PublishError
from server.publisher.key_choice import choose_keys
from server.publisher.lock import publisher_lock
from server.publisher.log import Leaf, Log
from server.publisher.online_keys import OnlineKeys, load_online_keys
from server.publisher.plan import Publication, plan_publication, plan_refresh
from server.publisher.published import Published, Trust, load_newest_root, load_published
from server.publisher.retraction import follow_roles
from server.publisher.verify import RoleVersion, verify_submission
from server.storage.blobs import BlobStore
from server.storage.bounded import read_bounded
from server.storage.database import Sessions
from server.storage.durable import (
    sweep_temporary,
    write_durable,
    write_immutable,
)
from server.storage.errors import StorageError
from server.storage.layout import StateFolder
from server.storage.models import Blob
from server.storage.models import Submission as SubmissionRow
from server.storage.roots import write_roots

REASON_LIMIT = 2000  # characters: a sentence, whatever a submission made of it
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=1), timedelta(minutes=5)  # of a bundle put off
REFRESH_LOOK = timedelta(seconds=30)  # between two looks at expiries that are hours away
UNLOGGED = frozenset({"snapshot", "timestamp"})
Edit = Callable[[Published], Mapping[str, Pointer]]
Renewal = Literal["", "timestamp", "all"]
ChangeKeys = Callable[[Published | None], None]
ReadBack = Callable[[Publication], Awaitable[None]]


class Publisher:
    """The one writer of a state folder. Every public method takes the publisher lock.

    The online keys are read under the lock each time, for a command may have changed them.
    `read_back` is step 7: it fetches what was published over the public address, or from disk where
    no server runs; what it finds wrong goes to `alarm`, as does a bundle that is put off.
    `after_step` is told the number of each step that is done.
    """

    def __init__(
        self,
        folder: StateFolder,
        sessions: Sessions,
        clock: Callable[[], datetime],
        read_back: ReadBack,
        alarm: Callable[[str], None],
        after_step: Callable[[int], None] = lambda _step: None,
    ) -> None:
        self._folder = folder
        self._sessions = sessions
        self._clock = clock
        self._read_back = read_back
        self._alarm = alarm
        self._after_step = after_step
        self._blobs = BlobStore(folder.blobs)
        self._looked: datetime | None = None
        self._put_off: dict[str, tuple[datetime, timedelta]] = {}
        self._log = Log(folder.public / "log", sessions)

    async def repair(self) -> int | None:
        """Complete the publication that a crash interrupted, or discard what was not accepted.

        Returns the snapshot version that was completed, None when there was nothing to do.
        """
        async with publisher_lock(self._folder.lock):
            for folder in (
                self._folder.staging.parent,
                self._folder.public,
                self._folder.blobs,
                self._folder.keys,
            ):
                await asyncio.to_thread(sweep_temporary, folder)
            return await self._repair()

    async def process_incoming(self) -> list[Result]:
        """Publish every bundle that waits; a bundle that is refused gets a result that says why."""
        if not await asyncio.to_thread(incoming.list_submissions, self._folder.incoming):
            return []
        async with publisher_lock(self._folder.lock):
            await self._load_keys()  # without them no bundle is to blame
            results = []
            for submission_id in await asyncio.to_thread(
                incoming.list_submissions, self._folder.incoming
            ):
                await self._repair()  # what is accepted comes first, also before the next bundle
                result = await self._try(submission_id)
                if result is not None:
                    results.append(result)
            return results

    async def change_pointers(self, edit: Edit) -> int:
        """Publish what `edit` makes of the current pointers; returns the snapshot version."""
        async with publisher_lock(self._folder.lock):
            await self._repair()
            published = await self._require_published()
            pointers = edit(published)
            if pointers == published.pointers():
                return published.snapshot.version
            return await self._publish(published, published, [], pointers, renew=False)

    async def refresh(self) -> str:
        """Sign the online roles afresh where the schedule says so; returns what was signed."""
        now = self._clock()
        if self._looked is not None and timedelta() <= now - self._looked < REFRESH_LOOK:
            return ""
        self._looked = now
        published = await asyncio.to_thread(load_published, self._folder.public)
        if published is None or not plan_refresh(published, now):
            return ""
        async with publisher_lock(self._folder.lock):
            await self._repair()
            published = await self._require_published()
            due = plan_refresh(published, self._clock())
            if due:
                pointers = published.pointers()
                await self._publish(published, published, [], pointers, renew=due == "all")
            return due

    async def rotate(self, change: ChangeKeys, *, renew: Renewal) -> None:
        """Let `change` make or replace key files, and sign with the keys that are there then.

        The log is signed afresh, and of the online roles what `renew` says. `change` is given what
        is published, if anything is. A second run after a crash does it all again.
        """
        async with publisher_lock(self._folder.lock):
            await self._repair()
            published = await asyncio.to_thread(load_published, self._folder.public)
            await asyncio.to_thread(change, published)
            if renew and published is not None:
                # No note is signed by keys that nobody who reads it could know.
                choose_keys(await self._load_keys(), published.root, published.targets)
                await self._restate_log()
                pointers = published.pointers()
                await self._publish(published, published, [], pointers, renew=renew == "all")

    async def _try(self, submission_id: str) -> Result | None:
        """Process one bundle; one that the surroundings fail is put off and holds up no other."""
        now = self._clock()
        since, wait = self._put_off.get(submission_id, (now, timedelta()))
        if since <= now < since + wait:
            return None
        folder, result = self._folder.incoming / submission_id, None
        outcome = "is tried again later"
        try:
            if not await asyncio.to_thread(incoming.is_finished, folder, self._folder.results):
                result = await self._process(folder)
            outcome = "is done but cannot be removed"
            await asyncio.to_thread(incoming.remove_bundle, folder, self._folder.staging.parent)
        except (StorageError, OSError) as error:
            if submission_id not in self._put_off:
                self._alarm(f"the bundle {submission_id[:16]} {outcome}: {error}")
            self._put_off[submission_id] = (now, min(max(2 * wait, FIRST_WAIT), LONGEST_WAIT))
        else:
            self._put_off.pop(submission_id, None)
        return result

    async def _process(self, folder: Path) -> Result:
        submission_id = folder.name
        try:
            snapshot, status, reason = await self._submit(folder), "published", ""
        except StorageError:
            raise  # the surroundings failed: the bundle stays
        except HeningError as error:
            snapshot, status, reason = 0, "refused", _sentence(error)
        now = int(self._clock().timestamp())
        result = Result(
            id=submission_id,
            status="published" if status == "published" else "refused",
            reason=reason,
            snapshot=snapshot,
            time=now,
        )
        async with self._sessions.begin() as session:
            await session.merge(
                SubmissionRow(
                    id=submission_id,
                    status=status,
                    reason=reason,
                    snapshot=snapshot,
                    finished_at=now,
                )
            )
        await asyncio.to_thread(incoming.write_result, self._folder.results, result)
        return result

    async def _submit(self, folder: Path) -> int:
        submission = await asyncio.to_thread(incoming.load_submission, folder)
        published = await asyncio.to_thread(load_published, self._folder.public)
        if published is not None and await asyncio.to_thread(
            _is_public, self._folder.public, submission.files
        ):
            return published.snapshot.version  # a crash came between swap and result
        root = await asyncio.to_thread(_load_root, self._folder.trusted_root)
        # Step 1.
        await asyncio.to_thread(incoming.ingest_blobs, folder, submission, self._blobs)
        now = int(self._clock().timestamp())
        async with self._sessions.begin() as session:
            for blob in submission.bundle.blobs:
                await session.merge(Blob(sha256=blob.sha256, length=blob.length, verified_at=now))
        self._after_step(1)
        # Step 2.
        trust = await asyncio.to_thread(
            verify_submission,
            submission.files,
            published,
            root,
            await self._load_keys(),
            self._clock(),
            await self._log.versions({file.role for file in submission.files}),
        )
        await self._check_blobs(trust)
        self._after_step(2)
        before = {} if published is None else published.pointers()
        pointers = follow_roles(before, trust)
        renew = any(file.role in {"root", "targets"} for file in submission.files)
        return await self._publish(trust, published, submission.files, pointers, renew=renew)

    async def _publish(
        self,
        trust: Trust,
        published: Published | None,
        submitted: Sequence[RoleVersion],
        pointers: Mapping[str, Pointer],
        *,
        renew: bool,
    ) -> int:
        keys = choose_keys(await self._load_keys(), trust.root, trust.targets)
        publication = await asyncio.to_thread(
            plan_publication,
            trust,
            published,
            submitted,
            pointers,
            keys,
            self._clock(),
            renew=renew,
            burned_latest=await self._log.latest_version("latest"),
        )
        # A burned version must not be accepted: no restart could ever complete it.
        await self._log.check(_leaves(publication))
        await asyncio.to_thread(self._stage, publication, trust, pointers)
        self._after_step(3)
        return await self._complete(publication)

    def _stage(
        self, publication: Publication, trust: Trust, pointers: Mapping[str, Pointer]
    ) -> None:
        """Step 3."""
        staging.write_staged(self._folder.staging, publication)
        changed = {file.role for file in publication.files}
        if changed & {"root", "targets"}:  # other keys may count now, for every role
            changed |= trust.roles.keys()
        paths = [
            path
            for name, role in trust.roles.items()
            if name in changed - {"latest"}
            for path in role.targets
        ]
        audit_staged(
            staging.staged_temporary(self._folder.staging),
            self._folder.public,
            read_bounded(self._folder.trusted_root, ROOT_LIMIT),
            trust.root.version,
            [*paths, *pointers],
            [role_pattern(name).replace("*", "-") for name in sorted(changed & trust.roles.keys())],
        )
        staging.accept_staged(self._folder.staging)

    async def _complete(self, publication: Publication) -> int:
        metadata = self._folder.public / "metadata"
        # Step 4.
        leaves = _leaves(publication)
        if leaves:
            if any(role == "root" for role, _, _ in leaves):
                await self._restate_log()  # a new root may name another key
            keys = (await self._load_keys()).log_keys
            await self._log.append(leaves, keys, int(self._clock().timestamp()))
        self._after_step(4)
        # Step 5: a new root last, and not served before the timestamp that comes with it.
        now = int(self._clock().timestamp())
        await asyncio.to_thread(_note_roots, self._folder.public, publication, now)
        for file in sorted(publication.files, key=lambda file: file.role == "root"):
            path = metadata / metadata_name(file.role, file.version)
            await asyncio.to_thread(write_immutable, path, file.data)
        self._after_step(5)
        # Step 6.
        path = metadata / "timestamp.json"
        await asyncio.to_thread(write_durable, path, publication.timestamp)
        self._after_step(6)
        # Step 7.
        await asyncio.to_thread(staging.discard_staged, self._folder.staging)
        try:
            await self._read_back(publication)
        except HeningError as error:
            self._alarm(str(error))
        self._after_step(7)
        return publication.snapshot_version

    async def _repair(self) -> int | None:
        staged = await asyncio.to_thread(staging.load_staged, self._folder.staging)
        return None if staged is None else await self._complete(staged)

    async def _restate_log(self) -> None:
        """Have everything in the log signed by the keys that are held, whoever had signed it."""
        root = await asyncio.to_thread(load_newest_root, self._folder.public)
        named = () if root is None else (log_verifier(root),)
        keys = (await self._load_keys()).log_keys
        await asyncio.to_thread(self._log.restate, keys, named)

    async def _load_keys(self) -> OnlineKeys:
        return await asyncio.to_thread(load_online_keys, self._folder.keys)

    async def _require_published(self) -> Published:
        published = await asyncio.to_thread(load_published, self._folder.public)
        if published is None:
            raise PublishError("nothing is published yet: submit the ceremony's bundle first.")
        return published

    async def _check_blobs(self, trust: Trust) -> None:
        """Check presence, length and the record that the hash was verified when it came in."""
        async with self._sessions() as session:
            rows = await session.execute(select(Blob.sha256, Blob.length))
            records = {sha256: length for sha256, length in rows}  # noqa: C416 - rows are no pairs

        def look() -> None:
            for name, role in trust.roles.items():
                for path, target in role.targets.items():
                    sha256 = target.hashes["sha256"]
                    check_sha256(sha256)
                    if name == "latest":
                        continue
                    if {self._blobs.length(sha256), records.get(sha256)} != {target.length}:
                        raise PublishError(f"the blob of {path} is not in the bundle and not here.")

        await asyncio.to_thread(look)


def _leaves(publication: Publication) -> list[Leaf]:
    return [
        (file.role, file.version, hashlib.sha256(file.data).hexdigest())
        for file in publication.files
        if file.role not in UNLOGGED
    ]


def _note_roots(public: Path, publication: Publication, now: int) -> None:
    """Record which timestamp the new roots go with, and when; after a crash, when that ended."""
    roots = [file.version for file in publication.files if file.role == "root"]
    if roots:
        timestamp = decode_timestamp(publication.timestamp).signed.version
        newest = max(roots)
        write_roots(public, before=min(roots) - 1, newest=newest, timestamp=timestamp, time=now)


def _sentence(error: HeningError) -> str:
    """Return an error as a result can hold it: it may quote what was submitted."""
    return str(error)[:REASON_LIMIT].encode(errors="backslashreplace").decode()


def _load_root(path: Path) -> bytes:
    if not path.exists():
        raise StorageError("no root is pinned: run `hening-server init --root` first.")
    return read_bounded(path, ROOT_LIMIT)


def _is_public(public: Path, files: Sequence[RoleVersion]) -> bool:
    paths = [public / "metadata" / metadata_name(file.role, file.version) for file in files]
    return all(
        path.is_file() and path.read_bytes() == file.data
        for path, file in zip(paths, files, strict=True)
    )
