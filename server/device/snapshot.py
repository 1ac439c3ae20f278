"""An immutable snapshot of the public files, loaded in a thread and replaced in one assignment.

All metadata, proofs and tiles are in memory, with their headers and their gzip form. The snapshot
has the path, hash and length of each package, from signed metadata. A new snapshot reuses files
that cannot have changed, so that only newly published files have to be loaded.
"""

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from tuf.api.metadata import Metadata, Targets

from server.core.errors import FormatError
from server.core.metadata import decode_snapshot, decode_targets, decode_timestamp, metadata_limit
from server.core.names import is_latest, metadata_name
from server.device.documents import (
    Document,
    LogFiles,
    RoleFiles,
    list_targets,
    load_log_files,
    make_document,
    make_role_files,
)
from server.device.gate import VERSIONED
from server.http.answers import Package
from server.storage.blobs import BlobReader
from server.storage.bounded import read_bounded
from server.storage.errors import StorageError
from server.storage.tree import list_roots

FILE_LIMIT = 5_000_000
# Superseded versions of a role that are still served, because a phone in the middle of a refresh
# requests them, or a phone whose cache has an older timestamp. Older versions are answered 410.
SUPERSEDED = 8
TIMESTAMP_LIFE = timedelta(days=1)
POINTERS = ("/metadata/timestamp.json", "/log/checkpoint")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All files that can be requested, by path; the next snapshot reuses `roles` and `log`."""

    version: int
    documents: Mapping[str, Document]
    packages: Mapping[str, Package]
    withdrawn: frozenset[str]
    current: Mapping[str, int]
    root: int = 0
    """The newest root's version; 0 if nothing is public."""
    missing: frozenset[str] = frozenset()
    """Paths that the metadata lists but whose blob is missing; they are answered 404."""
    roles: Mapping[str, RoleFiles] = field(default_factory=dict)
    log: LogFiles = field(default_factory=LogFiles)

    @property
    def next_root(self) -> str:
        """The path of the next root, which every poll requests; empty if nothing is public."""
        return f"/metadata/{metadata_name('root', self.root + 1)}" if self.root else ""

    def is_gone(self, path: str) -> bool:
        """Return whether `path` was public and is superseded or withdrawn (410, not 404)."""
        match = VERSIONED.fullmatch(path)
        if match is not None and path not in self.documents:
            return int(match[1]) < self.current.get(match[2], 0)
        return path in self.withdrawn


EMPTY = Snapshot(0, {}, {}, frozenset(), {})


class Verifier(Protocol):
    """Verifies roles while a snapshot is loaded, because only then their metadata is in memory."""

    def begin(self, documents: Mapping[str, Document], root: int) -> None:
        """Verify the roots up to version `root`, timestamp, snapshot and targets in `documents`."""

    def verify(self, role: str, metadata: Metadata[Targets]) -> None:
        """Verify the current version of a role."""


def load_snapshot(
    public: Path, blobs: BlobReader, previous: Snapshot, verifier: Verifier | None = None
) -> Snapshot:
    """Read the public tree; immutable files that `previous` has are not read again.

    `verifier` verifies the roles that are read. Raises its errors, and FormatError or OSError if
    the tree is incomplete; the caller then keeps the previous snapshot.
    """
    if not (public / "metadata" / "timestamp.json").exists():
        return EMPTY
    # The pointers are read first, because the files that they name were written before them.
    documents = {
        url: make_document(url, read_bounded(public / url[1:], FILE_LIMIT), mutable=True)
        for url in POINTERS
    }

    def read(paths: Iterator[Path]) -> dict[str, Document]:
        found = {}
        for path in paths:
            url = f"/{path.relative_to(public).as_posix()}"
            found[url] = previous.documents.get(url) or make_document(
                url, read_bounded(path, FILE_LIMIT), mutable=False
            )
        return found

    timestamp = decode_timestamp(_body(documents, "/metadata/timestamp.json")).signed
    version = timestamp.snapshot_meta.version
    documents |= read(_versions(public, "snapshot", version))
    snapshot = decode_snapshot(_body(documents, f"/metadata/{version}.snapshot.json")).signed
    current = {name.removesuffix(".json"): meta.version for name, meta in snapshot.meta.items()}
    roots = list_roots(public, timestamp.version)
    documents |= read(public / "metadata" / metadata_name("root", root) for root in roots)
    roles = {
        role: known
        for role, known in previous.roles.items()
        if known.version == current.get(role) and known.is_whole
    }
    for known in roles.values():
        documents.update(known.documents)
    changed = sorted(current.keys() - roles.keys(), key=lambda role: role != "targets")
    listed = {}
    # Compressing releases the interpreter: another core can do it while roles are verified.
    with ThreadPoolExecutor(1) as reader:
        files = {
            role: reader.submit(read, _versions(public, role, current[role])) for role in changed
        }
        if "targets" in files:
            documents.update(files["targets"].result())
        if verifier is not None:
            verifier.begin(documents, roots[-1])
        for role in changed:
            documents.update(files[role].result())
            url = f"/metadata/{metadata_name(role, current[role])}"
            metadata = decode_targets(role, _body(documents, url))
            if verifier is not None:
                verifier.verify(role, metadata)
            listed[role] = list_targets(role, metadata.signed)
    needed = {each.sha256 for role in listed if not is_latest(role) for each in listed[role]}
    lengths = _lengths(blobs, needed)
    for role, targets in listed.items():
        role_file = files[role].result()
        roles[role] = make_role_files(role, current[role], role_file, targets, lengths)
    logged = {**current, "root": roots[-1]}
    log = load_log_files(public, documents["/log/checkpoint"].identity.body, logged, previous.log)
    documents.update(log.documents)
    signed_at = timestamp.expires - TIMESTAMP_LIFE
    withdrawn = {url for role in roles.values() for url in role.over(signed_at)}
    return Snapshot(
        version=timestamp.version,
        documents=documents,
        packages={
            url: package
            for role in roles.values()
            for url, package in role.packages.items()
            if url not in withdrawn
        },
        withdrawn=frozenset(withdrawn),
        current=current | {"snapshot": version},
        root=roots[-1],
        missing=frozenset({url for role in roles.values() for url in role.absent} - withdrawn),
        roles=roles,
        log=log,
    )


def _lengths(blobs: BlobReader, sha256s: Collection[str]) -> Mapping[str, int] | None:
    """Return the lengths of the blobs that exist; None if the store is unavailable.

    An unavailable store must not keep a halt from phones. All packages are then assumed to exist,
    although they cannot be downloaded until the store is back.
    """
    try:
        return blobs.lengths(sha256s) if sha256s else {}
    except StorageError:
        return None


def _versions(public: Path, role: str, newest: int) -> Iterator[Path]:
    """Yield the files of a role's served versions, up to `newest`."""
    for version in range(max(1, newest - SUPERSEDED), newest + 1):
        path = public / "metadata" / metadata_name(role, version)
        if path.is_file():
            yield path


def _body(documents: Mapping[str, Document], url: str) -> bytes:
    document = documents.get(url)
    if document is None:
        raise FormatError(f"{url} is named by the metadata but missing.")
    if len(document.identity.body) > metadata_limit("targets"):
        raise FormatError(f"{url} is over its limit.")
    return document.identity.body
