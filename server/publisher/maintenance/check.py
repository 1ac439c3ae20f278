"""`hening-server check`: finds damage in a state folder, and changes nothing."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime

from server.core.errors import HeningError
from server.publisher.maintenance.checks.blobs import (
    check_audit,
    check_blobs,
    check_keys,
    check_records,
    check_submissions,
    check_waiting,
    hash_blobs,
)
from server.publisher.maintenance.checks.files import (
    check_database,
    check_lease,
    check_modes,
    check_staged,
    check_tree,
    check_uploads,
)
from server.publisher.maintenance.checks.finding import Finding, confirm
from server.publisher.maintenance.checks.log import check_log
from server.publisher.maintenance.checks.roles import (
    check_expiries,
    check_limits,
    check_role_files,
    check_roots,
)
from server.publisher.maintenance.checks.site import Site, load_site
from server.storage.blobs import BlobStore
from server.storage.database import Sessions
from server.storage.layout import StateFolder


def check_store(folder: StateFolder, user: int) -> list[Finding]:
    """Update the copy of a shared tree and compare both; returns no finding if there is none.

    `user` is the id of the user who runs the check: the server could not read files that root
    creates.
    """
    if folder.tree is None:
        return []
    if folder.root.stat().st_uid != user:
        return [Finding("store", "not compared: run it as the owner of the state")]
    from server.storage.s3_tree import open_s3_tree  # noqa: PLC0415 - few states share a tree

    tree = open_s3_tree(folder)
    try:
        tree.follow()
        missing = tree.find_differences()
    except (HeningError, OSError) as error:
        return [Finding("store", "", f"{error} Phones are served from the copies meanwhile.")]
    if left_out := tree.too_large():
        sentence = f"{left_out[0]} No copy has it: remove it from the store."
        return [Finding("store", "", sentence)]
    if missing:
        sentence = (
            f"{len(missing)} files differ between the store and {folder.public}, the first is"
            f" {missing[0]}: copy each from the side where it is complete."
        )
        return [Finding("store", "", sentence)]
    return [Finding("store", "the copy has the files of the shared tree")]


CHECKS: tuple[Callable[[Site], Iterable[Finding]], ...] = (
    check_expiries,
    check_limits,
    check_keys,
    check_roots,
    check_role_files,
    check_audit,
    check_log,
    check_tree,
    check_staged,
    check_blobs,
    check_records,
    check_submissions,
    check_waiting,
    check_uploads,
    check_lease,
    check_database,
    check_modes,
)


async def check_state(
    folder: StateFolder, sessions: Sessions, blobs: BlobStore, now: datetime, *, deep: bool
) -> list[Finding]:
    """Check everything on disk and in the tables; `deep` hashes every blob again.

    It may run beside a server. Raises StorageError if the database cannot be read.
    """

    async def look() -> list[Finding]:
        site = await load_site(folder, sessions, blobs, now)
        return await asyncio.to_thread(
            lambda: [finding for check in CHECKS for finding in check(site)]
        )

    findings = await confirm(look)
    if deep:
        findings += await asyncio.to_thread(lambda: list(hash_blobs(blobs)))
    return findings
