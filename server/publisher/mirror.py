"""`export`: the device plane as a folder of files that any web server can serve.

    1  packages, log, role versions    a crash leaves files that nothing points to
    2  another TUF client audits       nothing is changed; what is new, as publishing audits it
    3  roots, then the timestamp       a crash leaves a root whose timestamp comes with the next run
    4  what is stale is removed        a crash leaves files that nothing points to

`.mirror.json` lists what the folder holds, so that a run removes no file that a client may still be
reading. Each file is complete under its name, or absent.
"""

import contextlib
import errno
import fcntl
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import msgspec

from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.errors import FormatError, HeningError
from server.core.latest import list_parts, pointer_role
from server.core.metadata import (
    ROOT_LIMIT,
    decode_snapshot,
    decode_timestamp,
    metadata_limit,
)
from server.core.names import metadata_name
from server.device.documents import Document
from server.device.snapshot import EMPTY, Snapshot, load_snapshot
from server.http.answers import Package
from server.publisher.audit import audit_staged, plan_audit
from server.publisher.errors import PublishError
from server.publisher.published import load_published
from server.storage.blobs import BlobStore
from server.storage.bounded import TEMPORARY, read_bounded
from server.storage.durable import (
    READABLE,
    make_folder,
    open_created,
    sweep_temporary,
    write_durable,
)
from server.storage.errors import StorageError
from server.storage.layout import StateFolder

TIMESTAMP = "metadata/timestamp.json"
CHECKPOINT = "log/checkpoint"
_ROOT = re.compile(r"metadata/([1-9][0-9]*)\.root\.json")


@dataclass(frozen=True, slots=True)
class MirrorFile:
    """One file of a mirror: its path below the mirror's folder, and bytes or a package."""

    path: str
    content: bytes | Package


@dataclass(frozen=True, slots=True)
class MirrorPlan:
    """Files before the swap, in order; files of the swap, in order; the newest root's version."""

    before: tuple[MirrorFile, ...]
    swap: tuple[MirrorFile, ...]
    root: int

    @property
    def paths(self) -> frozenset[str]:
        """The paths of all files."""
        return frozenset(file.path for file in (*self.before, *self.swap))


def plan_mirror(snapshot: Snapshot) -> MirrorPlan:
    """Return what a mirror of `snapshot` holds.

    Raises PublishError where nothing is published, or a listed package is missing.
    """
    if not snapshot.documents:
        raise PublishError("nothing is published yet: submit the ceremony's bundle first.")
    if snapshot.missing:
        raise PublishError(f"the blob of {min(snapshot.missing)} is not there: submit it again.")
    documents = {url.removeprefix("/"): each for url, each in snapshot.documents.items()}
    packages = [
        MirrorFile(url.removeprefix("/"), package)
        for url, package in sorted(snapshot.packages.items())
    ]
    log, roles, roots = [], [], {}
    for path in sorted(documents.keys() - {TIMESTAMP, CHECKPOINT}):
        match = _ROOT.fullmatch(path)
        if match:
            roots[int(match[1])] = path
        elif path.startswith("log/"):
            log.append(path)
        else:
            roles.append(path)
    before = [*log, CHECKPOINT, *roles]
    swap = [*(roots[version] for version in sorted(roots)), TIMESTAMP]
    return MirrorPlan(
        before=(*packages, *(file for path in before for file in _files(path, documents[path]))),
        swap=tuple(file for path in swap for file in _files(path, documents[path])),
        root=max(roots),
    )


def plan_removal(
    present: Collection[str], plan: MirrorPlan, former: Collection[str], withdrawn: Collection[str]
) -> list[str]:
    """Return which of the existing files to remove once the timestamp is swapped.

    What the mirror held until then stays until the next run: a client may still be reading it. What
    is withdrawn and has drained is removed.
    """
    gone = {url.removeprefix("/") for url in withdrawn}
    kept = plan.paths | (set(former) - gone)
    return sorted(set(present) - kept)


def _files(path: str, document: Document) -> Iterator[MirrorFile]:
    if document.compressed is not None:
        yield MirrorFile(f"{path}.gz", document.compressed.body)
    yield MirrorFile(path, document.identity.body)


LISTING = ".mirror.json"
LOCK = ".mirror.lock"
LISTING_LIMIT = 64 * 1024 * 1024  # bytes: a million paths
PARTS = ("metadata", "log", "targets")


class _Listing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    files: list[str]
    schema: Literal[1]


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What an export did: the timestamp's version, and numbers of files and bytes."""

    version: int
    files: int
    written: int
    size: int
    removed: int


def export_mirror(
    folder: StateFolder,
    blobs: BlobStore,
    out: Path,
    *,
    link: bool = False,
    after_step: Callable[[int], None] = lambda _step: None,
    progress: Callable[[str, int, int], None] = lambda _what, _done, _total: None,
) -> Mirrored:
    """Bring the mirror in `out` to what is public now; a second run writes and audits nothing.

    `progress` receives the current activity, and how many bytes of all files are correct. `link`
    hard-links blobs of a local folder instead of copying them. Raises PublishError for what cannot
    be mirrored or a folder that holds something else, TrustError where the audit fails,
    StorageError where another export writes there; until step 3 the old mirror stays.
    """
    with _locked(out):
        former = _load_listing(out)
        snapshot = load_snapshot(folder.public, blobs, EMPTY)
        plan = plan_mirror(snapshot)
        _write_listing(out, former | plan.paths)
        for part in PARTS:
            sweep_temporary(out / part)
        total, done, written = sum(map(_length, (*plan.before, *plan.swap))), 0, []
        for file in plan.before:
            written += [file] if _write(out, file, blobs, link=link) else []
            done += _length(file)
            progress("Writing", done, total)
        after_step(1)
        pending = [file for file in plan.swap if not _is_there(out, file)]
        if written or pending:
            progress("Auditing", done, total)
            _audit(folder, out, plan, {file.path for file in (*written, *pending)})
        after_step(2)
        written += [file for file in pending if _write(out, file, blobs, link=link)]
        after_step(3)
        stale = plan_removal(_list_files(out), plan, former, snapshot.withdrawn)
        _remove(out, stale)
        _write_listing(out, plan.paths)
        after_step(4)
    return Mirrored(
        version=snapshot.version,
        files=len(plan.paths),
        written=len(written),
        size=sum(_length(file) for file in written),
        removed=len(stale),
    )


def _write(out: Path, file: MirrorFile, blobs: BlobStore, *, link: bool) -> bool:
    """Write a file unless it is correct already; returns whether it was written."""
    if _is_there(out, file):
        return False
    path = out / file.path
    if isinstance(file.content, bytes):
        write_durable(path, file.content, mode=READABLE)
        return True
    if file.content.length == 0:  # a pointer's target, which no store holds
        write_durable(path, b"", mode=READABLE)
        return True
    try:
        blobs.copy(file.content.sha256, file.content.length, path, mode=READABLE, link=link)
    except OSError as error:
        if error.errno in {errno.EXDEV, errno.EPERM, errno.EMLINK} and link:
            raise StorageError(
                "a blob cannot have a second name there: export without --hardlink."
            ) from error
        raise
    return True


def _is_there(out: Path, file: MirrorFile) -> bool:
    """Answer whether a file is correct; of a package only its length is compared.

    A hard-linked package that others cannot read is not correct: its blob, the same file, was made
    private.
    """
    path = out / file.path
    if isinstance(file.content, bytes):
        return path.is_file() and path.read_bytes() == file.content
    if not path.is_file():
        return False
    found = path.stat()
    is_readable = found.st_nlink == 1 or not READABLE & ~found.st_mode
    return is_readable and found.st_size == file.content.length


def _audit(folder: StateFolder, out: Path, plan: MirrorPlan, new: Collection[str]) -> None:
    """Let another TUF client read the mirror as it will be after step 3.

    It must find every target of a role that the mirror's timestamp does not list yet, or whose
    files are `new`; the others were audited when they were new.
    """
    published = load_published(folder.public)
    if published is None:
        raise PublishError("what was published is gone: restore public/ from a copy.")
    versions = {**published.versions(), "root": published.root.version}
    audited = {"root": plan.root} | _audited(out)
    written = {
        role
        for role, version in versions.items()
        if audited.get(role) != version or f"metadata/{metadata_name(role, version)}" in new
    }
    pointers = published.pointers()
    parts = len(list_parts(published.roles))
    former = {
        path: pointer
        for path, pointer in pointers.items()
        if pointer_role(path, parts) not in written
    }
    with TemporaryDirectory(prefix="hening-mirror-") as name:
        staged = Path(name)
        for file in plan.swap:
            if isinstance(file.content, bytes):
                path = staged / file.path
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(file.content)
        trusted = read_bounded(folder.trusted_root, ROOT_LIMIT)
        audit = plan_audit(written, published, former, pointers)
        audit_staged(staged, out, trusted, plan.root, audit)


def _audited(out: Path) -> dict[str, int]:
    """Return the versions that the mirror's timestamp lists: an export audited them before."""
    metadata = out / "metadata"
    try:
        data = read_bounded(metadata / "timestamp.json", metadata_limit("timestamp"))
        name = metadata_name("snapshot", decode_timestamp(data).signed.snapshot_meta.version)
        data = read_bounded(metadata / name, metadata_limit("snapshot"))
        listed = decode_snapshot(data).signed.meta
    except HeningError:  # the first export, or damage: everything is audited
        return {}
    return {role.removesuffix(".json"): meta.version for role, meta in listed.items()}


def _remove(out: Path, stale: Iterable[str]) -> None:
    for path in stale:
        (out / path).unlink(missing_ok=True)
        for parent in (out / path).parents:
            if out in {parent, parent.parent}:
                break
            with contextlib.suppress(OSError):  # up to a folder that holds something else
                parent.rmdir()


def _list_files(out: Path) -> list[str]:
    return [
        path.relative_to(out).as_posix()
        for part in PARTS
        for path in (out / part).rglob("*")
        if path.is_file() and not path.name.startswith(TEMPORARY)
    ]


def _load_listing(out: Path) -> frozenset[str]:
    path = out / LISTING
    if not path.exists():
        names = [each.name for each in out.iterdir()]
        others = [name for name in names if name != LOCK and not name.startswith(TEMPORARY)]
        if others:
            raise PublishError(f"{out} is no mirror, for it holds {min(others)!r}: name another.")
        return frozenset()
    value = decode_canonical_json(read_bounded(path, LISTING_LIMIT), limit=LISTING_LIMIT)
    try:
        return frozenset(msgspec.convert(value, _Listing).files)
    except msgspec.ValidationError as error:
        raise FormatError(f"{path} is malformed: {error}.") from error


def _write_listing(out: Path, paths: frozenset[str]) -> None:
    listing = _Listing(files=sorted(paths), schema=1)
    write_durable(out / LISTING, encode_canonical_json(msgspec.to_builtins(listing)), mode=READABLE)


@contextlib.contextmanager
def _locked(out: Path) -> Iterator[None]:
    make_folder(out, READABLE)
    descriptor = open_created(out / LOCK, os.O_WRONLY | os.O_APPEND, READABLE)
    with os.fdopen(descriptor, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(f"another export is writing to {out}: let it end.") from error
        yield


def _length(file: MirrorFile) -> int:
    return len(file.content) if isinstance(file.content, bytes) else file.content.length
