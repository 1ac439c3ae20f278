"""Bundles in `incoming/`: reads them with limits, ingests blobs, writes results."""

import asyncio
import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tuf.api.metadata import TargetFile, Targets

from server.core.bundle import MAX_BUNDLE, Bundle, Result, decode_bundle, encode_result
from server.core.content.kinds import CONTENT_ROLES
from server.core.content.role import check_packs
from server.core.encodings import check_sha256
from server.core.errors import FormatError, HeningError
from server.core.metadata import metadata_limit
from server.core.names import metadata_name
from server.publisher.errors import PublishError
from server.publisher.published import Trust
from server.publisher.verify import RoleVersion
from server.storage.blobs import BlobStore, BlobThreads
from server.storage.bounded import TEMPORARY, read_bounded
from server.storage.durable import make_folder, write_durable
from server.storage.errors import StorageError
from server.storage.room import Room, check_room


@dataclass(frozen=True, slots=True)
class Submission:
    """A bundle whose role files were read; its blobs may still be missing."""

    id: str
    bundle: Bundle
    files: tuple[RoleVersion, ...]


def list_submissions(incoming: Path) -> list[str]:
    """Return the ids of the waiting bundles, oldest first; other names are not bundles."""
    if not incoming.exists():
        return []
    waiting = filter(_is_bundle, incoming.iterdir())
    return [path.name for path in sorted(waiting, key=lambda p: (p.stat().st_mtime_ns, p.name))]


def list_ignored(incoming: Path) -> list[str]:
    """Return the names in `incoming` that are neither bundles nor bundles being written."""
    if not incoming.exists():
        return []
    return sorted(
        path.name
        for path in incoming.iterdir()
        if not path.name.startswith(TEMPORARY) and not _is_bundle(path)
    )


def is_finished(folder: Path, results: Path) -> bool:
    """Answer whether a bundle has its result; the same bundle submitted again waits again."""
    result = results / f"{folder.name}.json"
    return result.exists() and result.stat().st_mtime_ns > folder.stat().st_ctime_ns


def attempt_of(folder: Path) -> str:
    """Return an id that distinguishes this folder from a later one with the same bundle."""
    found = folder.stat()
    return f"{found.st_ino}.{found.st_ctime_ns}"


def load_submission(folder: Path) -> Submission:
    """Read a bundle and check that it holds exactly what it lists.

    It may lack blobs: `ingest_blobs` looks for those in the store.
    """
    data = read_bounded(folder / "bundle.json", MAX_BUNDLE)
    if hashlib.sha256(data).hexdigest() != folder.name:
        raise FormatError("the bundle's name is not the sha256 of its bundle.json.")
    bundle = decode_bundle(data)
    names = {metadata_name(role.name, role.version): role for role in bundle.roles}
    _check_listing(folder, {"bundle.json", "metadata"}, {"blobs"})
    _check_listing(folder / "metadata", set(names))
    if os.path.lexists(folder / "blobs"):
        _check_listing(folder / "blobs", set(), {blob.sha256 for blob in bundle.blobs})
    files = []
    for name, role in names.items():
        content = read_bounded(folder / "metadata" / name, metadata_limit(role.name))
        if (len(content), hashlib.sha256(content).hexdigest()) != (role.length, role.sha256):
            raise FormatError(f"{name} is not the file that the bundle names.")
        files.append(RoleVersion(role.name, role.version, content))
    return Submission(folder.name, bundle, tuple(files))


def check_bundle_room(submission: Submission, blobs: BlobStore, room: Room, used: int) -> None:
    """Raise NoRoomError unless there is room for those blobs of a bundle that the store lacks.

    `used` is the number of bytes in the store.
    """
    listed = submission.bundle.blobs
    new = [each.length for each in listed if blobs.length(each.sha256) != each.length]
    check_room(sum(new), used=used, free=blobs.free(), room=room)


def ingest_blobs(folder: Path, submission: Submission, blobs: BlobStore) -> None:
    """Store a bundle's blobs under their hashes: step 1 of publishing.

    A blob that the bundle lacks must have been uploaded to the store before. Raises FormatError for
    a missing blob, or one with another hash. A crash leaves blobs that nothing references.
    """
    for blob in submission.bundle.blobs:
        source = folder / "blobs" / blob.sha256
        if not os.path.lexists(source) and blobs.length(blob.sha256) != blob.length:
            raise FormatError(
                f"the blob {blob.sha256[:16]} is neither in the bundle nor in the store."
            )
        blobs.ingest(source, blob.sha256, blob.length)


def write_result(results: Path, result: Result) -> None:
    """Write a submission's result."""
    write_durable(results / f"{result.id}.json", encode_result(result))


def hide_bundle(folder: Path, trash: Path) -> Path:
    """Move a finished bundle from `incoming` to `trash`, and return its new path for removal.

    After a crash, the next start removes it.
    """
    make_folder(trash)
    return folder.rename(trash / f"{TEMPORARY}{folder.name}")


def _check_listing(folder: Path, required: set[str], optional: set[str] | None = None) -> None:
    if not _is_folder(folder):
        raise FormatError(f"the bundle's {folder.name} is not a folder.")
    found = {path.name for path in folder.iterdir()}
    if missing := required - found:
        raise FormatError(f"the bundle lacks {min(missing)}.")
    if extra := found - required - (optional or set()):
        raise FormatError(f"the bundle holds {min(extra)[:80]!r}, which it does not name.")


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_bundle(path: Path) -> bool:
    try:
        check_sha256(path.name)
    except HeningError:
        return False
    return _is_folder(path)


READ_SECONDS = 60  # for one blob


async def check_content(
    published: Trust | None,
    trust: Trust,
    changed: Collection[str],
    blobs: BlobStore,
    threads: BlobThreads,
) -> None:
    """Raise FormatError unless changed packs of `tables` and `content` are valid.

    The message names kind, key and rule. Raises PublishError if a blob is missing, StorageError or
    OSError if the store fails.
    """
    former = {} if published is None else published.roles
    loop = asyncio.get_running_loop()
    for role in CONTENT_ROLES:
        if role not in changed:
            continue
        targets = trust.roles[role]

        def read(path: str, targets: Targets = targets) -> bytes:
            reading = _read(path, targets.targets[path], blobs)
            return asyncio.run_coroutine_threadsafe(reading, loop).result(READ_SECONDS)

        await threads.run(_check_there, targets, blobs)
        await threads.run(check_packs, role, former.get(role), targets, read)


def _check_there(targets: Targets, blobs: BlobStore) -> None:
    lengths = blobs.lengths({each.hashes["sha256"] for each in targets.targets.values()})
    for path, target in targets.targets.items():
        if lengths.get(target.hashes["sha256"]) != target.length:
            raise PublishError(f"the blob of {path} is neither in the bundle nor in the store.")


async def _read(path: str, target: TargetFile, blobs: BlobStore) -> bytes:
    sha256 = target.hashes["sha256"]
    async with blobs.open_range(sha256, 0, target.length) as pieces:
        data = b"".join([piece async for piece in pieces])
    if hashlib.sha256(data).hexdigest() != sha256:
        raise StorageError(f"the blob of {path} is damaged in the store: restore it.")
    return data
