"""`export`: the device plane as files, in a folder for any web server or in a bucket for a CDN.

    1  packages, log, role versions    a crash leaves files that nothing points to
    2  another TUF client audits       nothing is changed; new files are checked as in publishing
    3  roots, then the timestamp       a crash leaves a root whose timestamp comes with the next run
    4  stale files are removed         a crash leaves files that nothing points to

`.mirror.json` lists the mirror's files, so that a run removes no file that a client may still be
reading. Each file is complete under its name, or absent. The two kinds of mirror are `folder` and
`bucket`.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.errors import FormatError, HeningError
from server.core.latest import list_parts, pointer_role
from server.core.metadata import ROOT_LIMIT, decode_snapshot, decode_timestamp
from server.core.names import metadata_name
from server.device.answer import package_headers
from server.device.documents import Document
from server.device.snapshot import EMPTY, Snapshot, load_snapshot
from server.http.answers import Fields, Package
from server.publisher.audit import audit_files, plan_audit
from server.publisher.errors import PublishError
from server.publisher.published import Published, list_versions, load_published
from server.storage.blobs import BlobStore
from server.storage.bounded import read_bounded
from server.storage.errors import StorageError
from server.storage.layout import StateFolder

TIMESTAMP = "metadata/timestamp.json"
CHECKPOINT = "log/checkpoint"
_ROOT = re.compile(r"metadata/([1-9][0-9]*)\.root\.json")


@dataclass(frozen=True, slots=True)
class MirrorFile:
    """One file of a mirror: its path in the mirror, bytes or a package, and the device's headers.

    A gzip form has the headers of its file.
    """

    path: str
    content: bytes | Package
    headers: Fields

    @property
    def length(self) -> int:
        """The length in bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.length


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


def plan_mirror(snapshot: Snapshot, *, gzip: bool) -> MirrorPlan:
    """Return the files of a mirror of `snapshot`, in order; `gzip` adds gzip forms.

    Raises PublishError if nothing is published, or if a listed package is missing.
    """
    if not snapshot.documents:
        raise PublishError("nothing is published yet: submit the ceremony's bundle first.")
    if snapshot.missing:
        raise PublishError(f"the blob of {min(snapshot.missing)} is not there: submit it again.")
    documents = {url.removeprefix("/"): each for url, each in snapshot.documents.items()}
    packages = [
        MirrorFile(url.removeprefix("/"), package, package_headers(url, package))
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

    def files(paths: Iterable[str]) -> Iterator[MirrorFile]:
        for path in paths:
            yield from _files(path, documents[path], gzip=gzip)

    return MirrorPlan(
        before=(*packages, *files([*log, CHECKPOINT, *roles])),
        swap=tuple(files([*(roots[version] for version in sorted(roots)), TIMESTAMP])),
        root=max(roots),
    )


def plan_removal(
    present: Collection[str], plan: MirrorPlan, former: Collection[str], withdrawn: Collection[str]
) -> list[str]:
    """Return which of the existing files to remove once the timestamp is swapped.

    Files of the former listing stay until the next run: a client may still be reading them.
    Packages that are withdrawn and have drained are removed.
    """
    withdrawn_paths = {url.removeprefix("/") for url in withdrawn}
    keep = plan.paths | (set(former) - withdrawn_paths)
    return sorted(set(present) - keep)


def _files(path: str, document: Document, *, gzip: bool) -> Iterator[MirrorFile]:
    headers = document.identity.headers
    if gzip and document.compressed is not None:
        yield MirrorFile(f"{path}.gz", document.compressed.body, headers)
    yield MirrorFile(path, document.identity.body, headers)


LISTING = ".mirror.json"
LISTING_LIMIT = 64 * 1024 * 1024  # bytes: a million paths
PARTS = ("metadata", "log", "targets")


class Listing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The files of a mirror; in a bucket, also the newest state that an export began to write.

    That state is the versions of the timestamp and of the newest root: after a new root, timestamps
    may start again at lower versions.
    """

    files: list[str]
    schema: Literal[1]
    root: int = 0
    version: int = 0


def decode_listing(data: bytes, where: str) -> Listing:
    """Read a listing; raises FormatError, which names it `where`."""
    value = decode_canonical_json(data, limit=LISTING_LIMIT)
    try:
        return msgspec.convert(value, Listing)
    except msgspec.ValidationError as error:
        raise FormatError(f"{where} is malformed: {error}.") from error


def encode_listing(paths: Collection[str], root: int = 0, version: int = 0) -> bytes:
    """Return a listing as canonical JSON."""
    listing = Listing(files=sorted(paths), schema=1, root=root, version=version)
    return encode_canonical_json(msgspec.to_builtins(listing))


class Mirror(Protocol):
    """The interface of both kinds of mirror; every method may raise StorageError or OSError."""

    @property
    def gzip(self) -> bool:
        """Whether the mirror holds gzip forms beside the files."""

    def opened(self) -> AbstractContextManager[frozenset[str]]:
        """Open the mirror for one export, and yield the paths that its listing has.

        Raises PublishError for a place that holds something else.
        """

    def begin(self, root: int, version: int) -> None:
        """Start to export these versions of root and timestamp; clean up after crashed exports.

        Raises PublishError if the mirror is known to have newer ones.
        """

    def write_listing(self, paths: Collection[str]) -> None:
        """Write the listing: before any file, and after the timestamp."""

    def is_there(self, file: MirrorFile) -> bool:
        """Answer whether a file is correct; of a package only its length is compared."""

    def write(self, file: MirrorFile, blobs: BlobStore) -> None:
        """Write a file that is not there, or not correct. A crash leaves no part of it."""

    def read(self, path: str) -> bytes | None:
        """Return a file of metadata, None for a missing one."""

    def list(self) -> Collection[str]:
        """Return the paths of the files."""

    def remove(self, paths: Collection[str]) -> None:
        """Remove files."""


@dataclass(frozen=True, slots=True)
class Mirrored:
    """The result of an export: the timestamp's version, and numbers of files and bytes."""

    version: int
    files: int
    written: int
    size: int
    removed: int


def export_mirror(
    folder: StateFolder,
    blobs: BlobStore,
    mirror: Mirror,
    *,
    after_step: Callable[[int], None] = lambda _step: None,
    progress: Callable[[str, int, int], None] = lambda _what, _done, _total: None,
) -> Mirrored:
    """Bring a mirror up to date with the public state; a second run writes and audits nothing.

    `progress` receives the current activity, the number of correct bytes, and that of all bytes.
    Raises PublishError if something cannot be mirrored or the place holds something else,
    TrustError if the audit fails, StorageError if another export writes there or something is
    published meanwhile. Until step 3 the old mirror stays.
    """
    with mirror.opened() as former:
        snapshot = load_snapshot(folder.public, blobs, EMPTY)
        plan = plan_mirror(snapshot, gzip=mirror.gzip)
        mirror.begin(plan.root, snapshot.version)
        mirror.write_listing(former | plan.paths)
        total, done = sum(file.length for file in (*plan.before, *plan.swap)), 0
        written: list[MirrorFile] = []
        for file in plan.before:
            if not mirror.is_there(file):
                mirror.write(file, blobs)
                written.append(file)
            done += file.length
            progress("Writing", done, total)
        after_step(1)
        pending = [file for file in plan.swap if not mirror.is_there(file)]
        if written or pending:
            progress("Auditing", done, total)
            new = {file.path for file in (*written, *pending)}
            _audit(_load_published(folder, snapshot.version), folder, mirror, plan, new)
        after_step(2)
        for file in pending:
            mirror.write(file, blobs)
        after_step(3)
        mirror.write_listing(plan.paths)
        stale = plan_removal(mirror.list(), plan, former, snapshot.withdrawn)
        mirror.remove(stale)
        after_step(4)
    return Mirrored(
        version=snapshot.version,
        files=len(plan.paths),
        written=len(written) + len(pending),
        size=sum(file.length for file in (*written, *pending)),
        removed=len(stale),
    )


def _load_published(folder: StateFolder, version: int) -> Published:
    published = load_published(folder.public)
    if published is None:
        raise PublishError("what was published is gone: restore public/ from a copy.")
    if published.timestamp.version != version:
        raise StorageError("something was published while packages were written: export again.")
    return published


def _audit(
    published: Published,
    folder: StateFolder,
    mirror: Mirror,
    plan: MirrorPlan,
    new: Collection[str],
) -> None:
    """Let another TUF client read the mirror as it will be after step 3.

    It must find every target of a role that the mirror's timestamp does not list yet, or whose
    files are `new`; other roles were audited when they were new.
    """
    versions = {**published.versions(), "root": published.root.version}
    audited = {"root": plan.root} | _audited(mirror)
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
    swapped = {file.path: file.content for file in plan.swap if isinstance(file.content, bytes)}

    def read(name: str) -> bytes | None:
        path = f"metadata/{name}"
        return swapped[path] if path in swapped else mirror.read(path)

    trusted = read_bounded(folder.trusted_root, ROOT_LIMIT)
    audit_files(read, trusted, plan.root, plan_audit(written, published, former, pointers))


def _audited(mirror: Mirror) -> dict[str, int]:
    """Return the versions that the mirror's timestamp lists: an export audited them before."""
    try:
        timestamp = decode_timestamp(mirror.read(TIMESTAMP) or b"").signed
        name = metadata_name("snapshot", timestamp.snapshot_meta.version)
        return list_versions(decode_snapshot(mirror.read(f"metadata/{name}") or b"").signed)
    except StorageError:
        raise
    except HeningError:  # the first export, or damage: everything is audited
        return {}
