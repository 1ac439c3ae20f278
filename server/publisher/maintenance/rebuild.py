"""Rebuilds the database from signed data: the log's tiles, the blobs, and results.

A key process may have leaves after the public log's end, if a publisher lost or withheld them after
they were signed. They replace the rows after the public log, which belong to abandoned publications
or to none. Use it for a database that was lost, or restored from a copy older than the public tree.
Data of the control plane, such as accounts and the audit log, exists only in the database and is
not rebuilt.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, select

from server.core.bundle import MAX_RESULT, decode_result
from server.core.checkpoint import Checkpoint, decode_leaf
from server.core.errors import FormatError, LogError
from server.core.note import VerifierKey
from server.core.tlog import CompactTree, leaf_hash
from server.publisher.keys.holder import load_signed_leaves
from server.publisher.lease import Lease
from server.publisher.log import Leaf, SignedLeaves, load_checkpoint, read_entries
from server.storage.blobs import BlobStore, StoredBlob
from server.storage.bounded import read_bounded
from server.storage.database import Sessions
from server.storage.layout import StateFolder
from server.storage.models import Blob, LogEntry, Submission
from server.storage.tree import open_tree

BLOBS = 100  # recorded in one transaction, so that little is hashed twice after a crash
ROWS = 100  # of the log or of submissions, written in one transaction


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many rows were added, and the names of blobs that do not hash to their name."""

    leaves: int
    blobs: int
    submissions: int
    damaged: tuple[str, ...]


async def rebuild(
    folder: StateFolder,
    sessions: Sessions,
    blobs: BlobStore,
    known: Sequence[VerifierKey],
    now: int,
) -> Rebuilt:
    """Add the rows that the database lacks; existing rows stay, and must agree.

    `known` are the keys that may have signed the checkpoint. Raises LogError if tiles and
    checkpoint or rows and tiles disagree, before anything is written. It can be repeated.
    """
    lease = Lease(sessions, folder.lock)
    async with lease.held():
        # A new machine has no log yet.
        await asyncio.to_thread(open_tree(folder).refresh, lease.fence)
        log = folder.public / "log"
        head = await asyncio.to_thread(load_checkpoint, log, known)
        tree, leaves = await asyncio.to_thread(_read_leaves, log, head)
        public = len(leaves)
        signed = await asyncio.to_thread(load_signed_leaves, folder, public)
        if signed is not None:
            leaves += _decode_leaves(signed, tree)
        added = await _add_leaves(lease, sessions, leaves, now, None if signed is None else public)
        submissions = await _add_submissions(lease, sessions, folder.results)
        count, damaged = await _add_blobs(lease, sessions, blobs, now)
    return Rebuilt(added, count, submissions, tuple(damaged))


def _read_leaves(log: Path, head: Checkpoint | None) -> tuple[CompactTree, list[Leaf]]:
    if head is None:
        return CompactTree(), []
    entries = read_entries(log, head.size, 0)
    tree = CompactTree().grow(map(leaf_hash, entries))
    if tree.root() != head.root:
        raise LogError("the entry tiles do not lead to the signed root: restore public/log.")
    return tree, [decode_leaf(entry) for entry in entries]


def _decode_leaves(signed: SignedLeaves, tree: CompactTree) -> list[Leaf]:
    """Return the leaves after `tree`; raises LogError unless they lead to the signed root."""
    if signed.entries and tree.grow(map(leaf_hash, signed.entries)).root() != signed.root:
        raise LogError(
            "public/log and the log that the key process signed are not of one history: restore"
            " public/log from a newer copy; if there is none, see"
            " docs/how-to/lost-leaves.md."
        )
    return [decode_leaf(entry) for entry in signed.entries]


async def _add_leaves(
    lease: Lease, sessions: Sessions, leaves: Sequence[Leaf], now: int, keep: int | None
) -> int:
    """Add the missing rows; with a key process only the first `keep` existing rows stay.

    All rows are read outside of a writing transaction, for which halts would wait.
    """
    columns = LogEntry.index, LogEntry.role, LogEntry.version, LogEntry.sha256
    async with sessions() as session:
        rows = (await session.execute(select(*columns).order_by(LogEntry.index))).all()
    present = {
        index: (role, version, sha256)
        for index, role, version, sha256 in rows
        if keep is None or index < keep
    }
    if any(leaves[index] != leaf for index, leaf in present.items() if index < len(leaves)):
        raise LogError(
            "the database holds another log than public/log: it belongs to another server, or"
            " one of both was changed by hand."
        )
    beyond = [index for index, *_ in rows if index not in present]
    for at in range(0, len(beyond), ROWS):
        some = LogEntry.index.in_(beyond[at : at + ROWS])
        async with lease.fenced() as session:
            await session.execute(delete(LogEntry).where(some))
    missing = [
        LogEntry(index=index, role=role, version=version, sha256=sha256, appended_at=now)
        for index, (role, version, sha256) in enumerate(leaves)
        if index not in present
    ]
    return await _add_rows(lease, missing)


async def _add_submissions(lease: Lease, sessions: Sessions, results: Path) -> int:
    found = await asyncio.to_thread(_read_results, results)
    async with sessions() as session:
        present = set(await session.scalars(select(Submission.id)))
    return await _add_rows(lease, [row for row in found if row.id not in present])


async def _add_rows(lease: Lease, rows: Sequence[LogEntry | Submission]) -> int:
    for at in range(0, len(rows), ROWS):
        async with lease.fenced() as session:
            session.add_all(rows[at : at + ROWS])
    return len(rows)


def _read_results(results: Path) -> list[Submission]:
    rows = []
    for path in sorted(results.glob("*.json")):
        result = decode_result(read_bounded(path, MAX_RESULT))
        rows.append(
            Submission(
                id=result.id,
                status=result.status,
                reason=result.reason,
                snapshot=result.snapshot,
                finished_at=result.time,
            )
        )
    return rows


async def _add_blobs(
    lease: Lease, sessions: Sessions, blobs: BlobStore, now: int
) -> tuple[int, list[str]]:
    """Record every blob of the store that has no record, after hashing it."""
    async with sessions() as session:
        present = set(await session.scalars(select(Blob.sha256)))
    stored = await asyncio.to_thread(lambda: list(blobs.list()))
    missing = [blob for blob in stored if blob.sha256 not in present]
    damaged = list[str]()
    for at in range(0, len(missing), BLOBS):
        part = missing[at : at + BLOBS]
        wrong = await asyncio.to_thread(_find_damaged, blobs, part)
        damaged += wrong
        async with lease.fenced() as session:
            session.add_all(
                Blob(sha256=blob.sha256, length=blob.length, verified_at=now)
                for blob in part
                if blob.sha256 not in wrong
            )
    return len(missing) - len(damaged), damaged


def _find_damaged(blobs: BlobStore, part: Sequence[StoredBlob]) -> list[str]:
    wrong = []
    for blob in part:
        try:
            blobs.verify(blob.sha256, blob.length)
        except FormatError:
            wrong.append(blob.sha256)
    return wrong
