"""Steps 3 to 7 of publishing, for the one publication in progress.

A restart after a crash runs the same `_complete` as the normal case.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from server.core.latest import delegated_roles
from server.core.metadata import ROOT_LIMIT, decode_root, decode_timestamp
from server.core.names import is_latest, metadata_name
from server.core.pointer import Pointer
from server.publisher import staging
from server.publisher.errors import LeafRefusedError
from server.publisher.keys.choice import check_log_key
from server.publisher.keys.holder import (
    deferring_missing_keys,
    has_own_keys,
    load_keys,
    load_log_verifiers,
    open_keys,
    sign_publication,
)
from server.publisher.keys.online_keys import OnlineKeys
from server.publisher.lease import Lease
from server.publisher.log import Leaf, Log
from server.publisher.plan import Publication, earliest_time
from server.publisher.published import PublicTree, Published, Trust, load_newest_root
from server.publisher.read_back import ReadBacks
from server.publisher.verify import RoleVersion
from server.storage.bounded import read_bounded
from server.storage.database import Sessions
from server.storage.durable import discard_folder, move_durable
from server.storage.layout import StateFolder
from server.storage.tree import Tree, read_role

TIMESTAMP = "metadata/timestamp.json"


class PublicationSteps:
    """Signs, stages, logs and makes public. The caller holds the lease.

    The online keys are read each time, as a command may have changed them.
    """

    def __init__(
        self,
        folder: StateFolder,
        tree: Tree,
        sessions: Sessions,
        lease: Lease,
        clock: Callable[[], datetime],
        read_backs: ReadBacks,
        after_step: Callable[[int], None],
        alarm: Callable[[str], None],
    ) -> None:
        self.log = Log(tree, sessions, lease)
        self._alarm = alarm
        self._lease = lease
        self._tree = tree
        self._public = PublicTree(tree.folder)
        self._reading = asyncio.Lock()  # one thread at a time reads the tree
        self._folder = folder
        self._clock = clock
        self._read_backs = read_backs
        self._after_step = after_step

    async def load_published(self) -> Published | None:
        """Read the public state, None if nothing is published; only changed files are parsed."""
        async with self._reading:
            return await asyncio.to_thread(self._public.load)

    async def load_keys(self) -> OnlineKeys:
        """Read the present online keys."""
        return await asyncio.to_thread(load_keys, self._folder)

    async def publish(
        self,
        trust: Trust,
        published: Published | None,
        submitted: Sequence[RoleVersion],
        pointers: Mapping[str, Pointer],
        *,
        renew: bool,
    ) -> int:
        """Publish `trust` with `pointers` and return the snapshot version.

        `submitted` are the role files that are new in `trust`; `renew` signs latest and snapshot
        again although nothing in them changed.
        """
        # New rows must not take the place of lost ones: no restart could ever complete that.
        await self._check_log(await self.load_keys())
        now = self._clock()
        if published is not None:  # with the clock set back, no earlier expiry is signed (ADR 36)
            now = max(now, earliest_time(published, trust))
        with deferring_missing_keys(self._folder):
            publication = await asyncio.to_thread(
                sign_publication,
                open_keys(self._folder),
                trust,
                published,
                submitted,
                pointers,
                now,
                renew=renew,
                logged=await self.log.newest_versions(
                    [role for role in delegated_roles(trust.targets) if is_latest(role)]
                ),
                burned=await self.log.versions({file.role for file in submitted}),
            )
        # A burned version must not be accepted: no restart could ever complete it.
        await self.log.check(publication.leaves())
        # Step 3. Until it is accepted, it has a name that no other holder of the lease uses.
        temporary = staging.staged_temporary(self._folder.staging, self._lease.fence)
        await self._lease.write(staging.discard_unaccepted, self._folder.staging)
        await asyncio.to_thread(
            self._stage, temporary, publication, trust, published, pointers, now
        )
        await self._accept(temporary)
        self._after_step(3)
        return await self._complete(publication)

    async def repair(self) -> int | None:
        """Refresh the tree and complete the accepted publication; returns its snapshot version.

        Returns None if there was none, or if it was discarded. A publication that is not newer than
        the public one is discarded: phones refuse an older timestamp, and later versions would be
        signed a second time. If another key process signed it but did not log it, it is discarded
        with an alarm, and the caller can publish.
        """
        await self._lease.change(self._tree, self._tree.refresh, self._lease.fence)
        staged = await asyncio.to_thread(staging.load_staged, self._folder.staging)
        if staged is None:
            return None
        if await asyncio.to_thread(_is_overtaken, self._folder.public, staged):
            await self._discard()
            return None
        try:
            return await self._complete(staged)
        except LeafRefusedError as error:  # a machine with a key process of its own accepted it
            self._alarm(
                f"an accepted publication was given up, and its bundle or command waits: {error}"
            )
            return None

    async def _accept(self, temporary: Path) -> None:
        """Give an audited publication the name under which a restart completes it.

        Once it is in the store, another machine completes it, as after a crash between the two
        writes. So it stays there if the lease is lost: the new holder may have made a part of it
        public.
        """
        await asyncio.to_thread(self._tree.stage, temporary, self._lease.fence)
        await self._lease.write(move_durable, temporary, self._folder.staging)

    async def _discard(self) -> None:
        """Remove the accepted publication; a crash leaves the local copy or both for `repair`."""
        await asyncio.to_thread(self._tree.unstage)
        await self._lease.write(discard_folder, self._folder.staging)

    async def _unproven(self) -> list[Leaf]:
        """Return the leaves of public versions without a proof, as after a restore."""
        published = await self.load_published()
        if published is None:
            return []
        versions = {**published.versions(), "root": published.root.version}
        return await asyncio.to_thread(_find_unproven, self._folder.public, versions)

    async def _check_log(self, keys: OnlineKeys) -> None:
        known = await asyncio.to_thread(load_log_verifiers, self._folder)
        await self.log.check_whole(known, keys.log_size)

    async def restate_log(self) -> None:
        """Sign the checkpoint and all proofs again, with the present keys."""
        keys = (await self.load_keys()).log_keys
        known = await asyncio.to_thread(load_log_verifiers, self._folder)
        await self.log.restate(keys, known)

    def _stage(
        self,
        temporary: Path,
        publication: Publication,
        trust: Trust,
        published: Published | None,
        pointers: Mapping[str, Pointer],
        now: datetime,
    ) -> None:
        """Write a publication and audit it; harmless if the lease was lost meanwhile."""
        # A TUF client takes 30 ms to import, and commands that publish nothing need none.
        from server.publisher.audit import audit_staged, plan_audit  # noqa: PLC0415

        staging.write_staged(temporary, publication)
        former = {} if published is None else published.pointers()
        audit_staged(
            temporary,
            self._folder.public,
            read_bounded(self._folder.trusted_root, ROOT_LIMIT),
            trust.root.version,
            plan_audit({file.role for file in publication.files}, trust, former, pointers),
            now,
        )

    async def _complete(self, publication: Publication) -> int:
        """Make an accepted publication public, continuing from where it was interrupted."""
        # Step 4.
        leaves = publication.leaves()
        unproven = await self._unproven()
        if leaves or unproven:
            keys = await self.load_keys()
            if has_own_keys(self._folder):  # another publisher may have accepted it
                with deferring_missing_keys(self._folder):
                    await asyncio.to_thread(_check_log_key, self._folder.public, publication, keys)
            if keys.log_size:  # no other leaf may take the place of a signed one
                await self._check_log(keys)
            if any(role == "root" for role, _, _ in leaves):
                await self.restate_log()  # a new root may name another key
            now = int(self._clock().timestamp())
            try:
                await self.log.append([*leaves, *unproven], keys.log_keys, now)
            except LeafRefusedError:  # it can never be public, and no phone has seen it
                await self._discard()
                raise
        self._after_step(4)
        # Step 5: a new root comes last, and is not served until its timestamp is public.
        now = int(self._clock().timestamp())
        await self._lease.change_each(
            self._tree, staging.showing_files(self._tree, publication, now)
        )
        self._after_step(5)
        # Step 6.
        await self._lease.change(self._tree, self._tree.replace, TIMESTAMP, publication.timestamp)
        self._after_step(6)
        await self._discard()
        # Step 7 blocks nothing: the next publisher may take the lease meanwhile.
        self._read_backs.begin(publication)
        return publication.snapshot_version


def _check_log_key(public: Path, publication: Publication, keys: OnlineKeys) -> None:
    """Raise MissingKeyError unless `keys` can sign the log under the publication's newest root."""
    roots = [file for file in publication.files if file.role == "root"]
    newest = max(roots, key=lambda file: file.version, default=None)
    root = load_newest_root(public) if newest is None else decode_root(newest.data).signed
    if root is not None:
        check_log_key(root, keys)


def _is_overtaken(public: Path, staged: Publication) -> bool:
    """Return whether another publication is public and at least as new as `staged`.

    After a crash, `staged` itself may be public: that does not count.
    """
    if not (public / TIMESTAMP).exists():
        return False
    data = read_role(public, "timestamp", 0)
    if data == staged.timestamp:
        # It names its snapshot by version alone, so two signed in one second can be equal.
        return not is_public(public, staged.files)
    versions = [decode_timestamp(each).signed.version for each in (staged.timestamp, data)]
    return versions[0] <= versions[1]


def is_public(public: Path, files: Sequence[RoleVersion]) -> bool:
    """Answer whether role files are public, with the same bytes."""
    paths = [public / "metadata" / metadata_name(file.role, file.version) for file in files]
    return all(
        path.is_file() and path.read_bytes() == file.data
        for path, file in zip(paths, files, strict=True)
    )


def _find_unproven(public: Path, versions: Mapping[str, int]) -> list[Leaf]:
    found = []
    for role, version in versions.items():
        if (public / "log" / "proof" / f"{role}.{version}").exists():
            continue
        sha256 = hashlib.sha256(read_role(public, role, version)).hexdigest()
        found.append((role, version, sha256))
    return found
