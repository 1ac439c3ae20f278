"""`move`: a site that began in one folder goes on with PostgreSQL and S3.

    1  blobs                                 a crash leaves objects that nothing names
    2  roles, roots, proofs, tiles           the same
    3  under the lease: what came meanwhile, a crash leaves a tree that no machine uses yet
       then the pointers, the timestamp
       last
    4  another TUF client reads that tree    nothing is changed
    5  the database's rows                   see `server.storage.moved_rows`

Every file is compared by its hash with what it was. Phones are served all the time; from step 5 on
the old server publishes nothing more. A second run goes on where the first one ended.

The API of the old server answers until step 5. What it recorded is a row, and moves; a command that
waited for the lease is carried out by the new server, and was not answered as done. What came as a
file meanwhile, a package or a bundle, makes step 5 refuse. A bundle that is being received at that
moment stays in `incoming/`, from which the new server takes it.
"""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, func, select

from server.core.metadata import ROOT_LIMIT
from server.publisher.audit import audit_staged, plan_audit
from server.publisher.errors import PublishError
from server.publisher.incoming import list_submissions
from server.publisher.lease import NAME, Lease
from server.publisher.published import load_published
from server.storage.blobs import BlobStore
from server.storage.bounded import TEMPORARY, read_bounded
from server.storage.database import Sessions
from server.storage.layout import StateFolder
from server.storage.local_blobs import LocalBlobs
from server.storage.models import Blob, Upload
from server.storage.models import Lease as LeaseRow
from server.storage.moved_rows import Check
from server.storage.objects import Objects
from server.storage.s3_tree import FILE_LIMIT, POINTERS, TREE, S3Tree

Progress = Callable[[str, int, int], None]
"""Called with what is being moved, bytes done, and bytes in all."""


async def move_files(
    folder: StateFolder,
    sessions: Sessions,
    blobs: BlobStore,
    objects: Objects,
    close: Callable[[Check], int],
    progress: Progress,
) -> int:
    """Move blobs and tree, then let `close` move the database's rows; returns their number.

    `close` receives what is to be checked once no process can write to the database. Raises
    PublishError while something is under way that would be lost, StorageError where a store fails
    or holds something else, TrustError where the moved tree does not verify.
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
        if present.get(blob.sha256) != blob.length:  # hashed on its way, and visible then
            blobs.ingest(former.path(blob.sha256), blob.sha256, blob.length)
        done += blob.length
        progress("Blobs", done, total)


def _move_immutable(public: Path, objects: Objects) -> None:
    """Create what is missing in S3 of the files that never change; the others must be equal."""
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
        elif former.data != data:  # of a run that was cut off
            objects.replace(f"{TREE}/{name}", data, former.tag)


def check_moved(folder: StateFolder, objects: Objects) -> None:
    """Copy the tree out of S3, compare every file, and let another TUF client read it.

    Raises PublishError for another tree, TrustError for one that does not verify.
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
