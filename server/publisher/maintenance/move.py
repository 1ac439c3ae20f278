"""`move`: moves a site from one folder to PostgreSQL and S3.

    1  blobs                                 a crash leaves objects that nothing names
    2  roles, roots, proofs, tiles           the same
    3  under the lease: newer files,         a crash leaves a tree that no machine uses yet
       then the pointers, the timestamp
       last
    4  another TUF client reads that tree    nothing is changed
    5  the database's rows                   see below

Every file is compared with the original by its hash. Phones are served all the time; from step 5 on
the old server publishes nothing. A second run continues where the first one ended.

The API of the old server answers until step 5. Its records are rows, and move. A command that
waited for the lease is carried out by the new server; the old one did not report it as done. If a
file came in meanwhile, a package or a bundle, step 5 refuses. A bundle that is being received at
that moment stays in `incoming/`, from which the new server publishes it.

Of the rows:

    1  the SQLite file is locked for writers      a crash leaves it as it was
    2  the rows are in the other database         a crash leaves them there, marked as unfinished:
                                                  the next run replaces them
    3  the SQLite file refuses every write        a crash leaves the mark: the next run removes it
    4  the mark is gone                           the other database is the server's

The mark is a row of `leases`. The refusal is a trigger for each table, so a server that still runs
on the file can serve phones, but change nothing.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, RowMapping, Table, delete, func, insert, select, text

from server.core.metadata import ROOT_LIMIT
from server.publisher.audit import audit_staged, plan_audit
from server.publisher.errors import PublishError
from server.publisher.incoming import list_submissions
from server.publisher.lease import NAME, Lease
from server.publisher.published import load_published
from server.storage.blobs import BlobStore
from server.storage.bounded import TEMPORARY, read_bounded
from server.storage.database import Sessions, migrate, with_connection
from server.storage.engine import MOVED
from server.storage.errors import StorageError
from server.storage.layout import PostgresAddress, StateFolder
from server.storage.local_blobs import LocalBlobs
from server.storage.models import AuditLogEntry, AuditLogHead, Base, Blob, Upload
from server.storage.models import Lease as LeaseRow
from server.storage.objects import Objects
from server.storage.s3_tree import FILE_LIMIT, POINTERS, TREE, S3Tree

BATCH = 1000  # rows of one statement
MARK = "move"
_TABLES = Base.metadata.sorted_tables
Check = Callable[[Connection], object]
"""Raises an error unless the rows may move; no process can write to the database meanwhile."""
Progress = Callable[[str, int, int], None]
"""Called with the kind of data being moved, the bytes done, and the bytes in all."""


async def move_files(
    folder: StateFolder,
    sessions: Sessions,
    blobs: BlobStore,
    objects: Objects,
    close: Callable[[Check], int],
    progress: Progress,
) -> int:
    """Move blobs and tree, then let `close` move the database's rows; returns their number.

    `close` receives the check to run once no process can write to the database. Raises PublishError
    if work in progress would be lost, StorageError if a store fails or holds something else,
    TrustError if the moved tree does not verify.
    """
    await asyncio.to_thread(objects.check_conditions)
    await asyncio.to_thread(_move_blobs, folder, blobs, progress)
    await asyncio.to_thread(_move_immutable, folder.public, objects)
    lease = Lease(sessions, folder.lock)
    async with lease.held():
        await asyncio.to_thread(_check_nothing_waits, folder)
        async with sessions() as session:
            connection = await session.connection()
            await connection.run_sync(_check_uploads)
            recorded = await connection.run_sync(_recorded)

        def check(connection: Connection) -> None:
            _check_nothing_waits(folder)
            _check_uploads(connection)
            fence = connection.scalar(select(LeaseRow.fence).where(LeaseRow.name == NAME))
            if fence != lease.fence or _recorded(connection) != recorded:
                raise PublishError(
                    "a package or a publication came in meanwhile: run the same command again,"
                    " which moves it, too."
                )

        await asyncio.to_thread(_move_blobs, folder, blobs, progress)
        await asyncio.to_thread(_move_immutable, folder.public, objects)
        await asyncio.to_thread(_move_pointers, folder.public, objects)
        await asyncio.to_thread(check_moved, folder, objects)
        # The lease's row is in the database that is closed here, so the lease is never given back.
        return await asyncio.to_thread(close, check)


def _check_nothing_waits(folder: StateFolder) -> None:
    if list_submissions(folder.incoming) or folder.staging.exists():
        raise PublishError("a bundle or publication is under way: let it end, then move again.")


def _recorded(connection: Connection) -> frozenset[str]:
    return frozenset(connection.scalars(select(Blob.sha256)))


def _check_uploads(connection: Connection) -> None:
    unfinished = connection.scalar(select(func.count()).where(Upload.finished_at.is_(None))) or 0
    if unfinished:
        raise PublishError(
            f"{unfinished} uploads are unfinished: let them end, or remove them, then move again."
        )


def _move_blobs(folder: StateFolder, blobs: BlobStore, progress: Progress) -> None:
    former = LocalBlobs(folder.blobs)
    stored = list(former.list()) if folder.blobs.is_dir() else []
    present = blobs.lengths([blob.sha256 for blob in stored])
    total, done = sum(blob.length for blob in stored), 0
    for blob in stored:
        if present.get(blob.sha256) != blob.length:  # hashed before it is visible
            blobs.ingest(former.path(blob.sha256), blob.sha256, blob.length)
        done += blob.length
        progress("Blobs", done, total)


def _move_immutable(public: Path, objects: Objects) -> None:
    """Create the immutable files that S3 lacks; raise TakenError for one of another length."""
    present = {each.name: each.size for each in objects.list(TREE)}
    for path in _files(public):
        name = path.relative_to(public).as_posix()
        data = read_bounded(path, FILE_LIMIT)
        if name not in POINTERS and present.get(f"{TREE}/{name}") != len(data):
            objects.create(f"{TREE}/{name}", data)


def _move_pointers(public: Path, objects: Objects) -> None:
    for name in reversed(POINTERS):
        path = public / name
        if not path.exists():
            continue
        data = read_bounded(path, FILE_LIMIT)
        former = objects.get(f"{TREE}/{name}", limit=FILE_LIMIT)
        if former is None:
            objects.create(f"{TREE}/{name}", data)
        elif former.data != data:  # of an interrupted run
            objects.replace(f"{TREE}/{name}", data, former.tag)


def check_moved(folder: StateFolder, objects: Objects) -> None:
    """Copy the tree from S3, compare every file, and let another TUF client read it.

    Raises PublishError if the trees differ, TrustError if the copy does not verify.
    """
    with TemporaryDirectory(prefix="hening-move-") as name:
        copy = Path(name) / "public"
        S3Tree(objects, copy, Path(name) / "staging").refresh(0)
        if _hashes(copy) != _hashes(folder.public):
            raise PublishError("what is in S3 is not what is public here: name another prefix.")
        published = load_published(copy)
        if published is None:
            return
        roles = {*published.roles, "root", "targets"}
        audit_staged(
            Path(name) / "none",
            copy,
            read_bounded(folder.trusted_root, ROOT_LIMIT),
            published.root.version,
            plan_audit(roles, published, {}, published.pointers()),
        )


def _files(public: Path) -> list[Path]:
    paths = public.rglob("*") if public.is_dir() else ()
    return sorted(path for path in paths if path.is_file() and not path.name.startswith(TEMPORARY))


def _hashes(public: Path) -> dict[str, str]:
    return {
        path.relative_to(public).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in _files(public)
    }


def move_rows(
    source: Path, target: PostgresAddress, check: Check = lambda _connection: None
) -> int:
    """Copy every row of `source` to `target` and close `source`; returns how many rows there are.

    A second run after a crash completes it. Raises StorageError for a target that holds something
    else, and what `check` raises, before anything is copied.
    """
    migrate(target)
    rows = 0
    if not with_connection(source, _is_closed, writes=False):

        def copy(connection: Connection) -> int:
            check(connection)
            return _copy_and_close(connection, target)

        rows = with_connection(source, copy)
    elif not with_connection(target, _holds(source), writes=False):
        raise StorageError(
            "the rows of this server moved to another PostgreSQL database already: name that one."
        )
    with_connection(target, _unmark)
    return rows or with_connection(target, _count, writes=False)


def is_moved(source: Path) -> bool:
    """Answer whether the rows of a SQLite database moved elsewhere."""
    return with_connection(source, _is_closed, writes=False)


def _is_closed(connection: Connection) -> bool:
    query = text(
        "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'moved_%'"
    )
    return bool(connection.scalar(query))


def _holds(source: Path) -> Callable[[Connection], bool]:
    """Return a predicate for databases that have the newest audit log entry of `source`."""
    query = select(AuditLogEntry.index, AuditLogEntry.sha256)
    newest = query.order_by(AuditLogEntry.index.desc()).limit(1)
    entry = with_connection(source, lambda c: c.execute(newest).one_or_none(), writes=False)

    def holds(target: Connection) -> bool:
        if entry is None:
            return _count(target) > 0
        return target.execute(query.filter_by(index=entry.index)).one_or_none() == entry

    return holds


def _copy_and_close(source: Connection, target: PostgresAddress) -> int:
    # All in memory, some hundred bytes each: the longest table is the audit log.
    found = {table: source.execute(select(table)).mappings().all() for table in _TABLES}
    rows = with_connection(target, lambda connection: _replace(connection, found))
    for table in _TABLES:
        for change in ("INSERT", "UPDATE", "DELETE"):
            source.execute(
                text(
                    f'CREATE TRIGGER "moved_{table.name}_{change.lower()}" BEFORE {change} ON'
                    f" \"{table.name}\" BEGIN SELECT RAISE(ABORT, '{MOVED}'); END"
                )
            )
    return rows


def _replace(target: Connection, rows: Mapping[Table, Sequence[RowMapping]]) -> int:
    is_unfinished = target.scalar(select(LeaseRow.name).where(LeaseRow.name == MARK)) is not None
    if not is_unfinished and _count(target):
        raise StorageError(
            "the PostgreSQL database holds a server already: make an empty one for this server."
        )
    for table in reversed(_TABLES):
        target.execute(delete(table))
    for table in _TABLES:
        for at in range(0, len(rows[table]), BATCH):
            target.execute(insert(table), [dict(row) for row in rows[table][at : at + BATCH]])
    # Leases of the old machine end here; their fences are kept, so that none is used twice.
    target.execute(text("UPDATE leases SET expires_at = 0"))
    target.execute(insert(LeaseRow).values(name=MARK, holder="", fence=0, expires_at=0))
    return sum(map(len, rows.values()))


def _unmark(target: Connection) -> None:
    target.execute(delete(LeaseRow).where(LeaseRow.name == MARK))


def _count(target: Connection) -> int:
    """Count the rows, without the one that a migration inserts."""
    initial = target.scalar(select(func.count()).where(AuditLogHead.length == 0)) or 0
    found = (target.scalar(select(func.count()).select_from(table)) or 0 for table in _TABLES)
    return sum(found) - initial
