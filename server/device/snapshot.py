"""An immutable picture of what is public, loaded off the loop and swapped by one reference.

All metadata, proofs and tiles are in memory with their headers and their gzip form; of packages the
snapshot knows path, hash and length, derived from signed metadata.
"""

import base64
import gzip
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from server.core.errors import FormatError
from server.core.metadata import decode_snapshot, decode_targets, decode_timestamp, metadata_limit
from server.core.names import COMMON_ROLES, hashed_target_path, metadata_name
from server.device.language import VERSIONED
from server.storage.blobs import BlobReader
from server.storage.bounded import TEMPORARY, read_bounded
from server.storage.errors import StorageError
from server.storage.roots import list_roots

ONE_MINUTE = "public, max-age=60"
IMMUTABLE = "public, max-age=31536000, immutable"
FILE_LIMIT = 5_000_000
# Superseded versions of a role that are served on: a phone in the middle of a refresh, or behind a
# cache that holds the timestamp for a minute, still asks for them. Older ones are 410.
SUPERSEDED = 8
TIMESTAMP_LIFE = timedelta(days=1)
POINTERS = ("/metadata/timestamp.json", "/log/checkpoint")
# A proof says the same for ever, but another key of the log may have signed it since.
PROOFS = "/log/proof/"
Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Representation:
    """One coding of a small file, with the headers that describe it."""

    body: bytes
    etag: str
    headers: Headers


@dataclass(frozen=True, slots=True)
class Document:
    """A small file in memory; `compressed` where a gzip form exists."""

    identity: Representation
    compressed: Representation | None


@dataclass(frozen=True, slots=True)
class Package:
    """A target on disk: sha256 and length in octets."""

    sha256: str
    length: int

    @property
    def etag(self) -> str:
        """The entity tag: the content hash, the same on every replica."""
        return f'"sha256-{self.sha256}"'


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that can be asked for, by path."""

    version: int
    documents: Mapping[str, Document]
    packages: Mapping[str, Package]
    withdrawn: frozenset[str]
    current: Mapping[str, int]
    missing: frozenset[str] = frozenset()
    """Paths that the metadata lists and whose blob is not there: answered 404."""

    def is_gone(self, path: str) -> bool:
        """Answer whether `path` was public once and is superseded or withdrawn (410, not 404)."""
        match = VERSIONED.fullmatch(path)
        if match is not None and path not in self.documents:
            return int(match[1]) < self.current.get(match[2], 0)
        return path in self.withdrawn


EMPTY = Snapshot(0, {}, {}, frozenset(), {})


def load_snapshot(public: Path, blobs: BlobReader, previous: Snapshot) -> Snapshot:
    """Read the public tree; files that `previous` holds and that never change are not read again.

    Raises FormatError or OSError when the tree is not whole: the caller keeps the previous one.
    """
    if not (public / "metadata" / "timestamp.json").exists():
        return EMPTY
    # The pointers are read before the tree is listed: what they name was there before them.
    documents = {
        url: _document(url, read_bounded(public / url[1:], FILE_LIMIT), mutable=True)
        for url in POINTERS
    }

    def add(path: Path) -> None:
        url = f"/{path.relative_to(public).as_posix()}"
        known = previous.documents.get(url)
        if known is not None and not url.startswith(PROOFS):
            documents[url] = known
            return
        body = read_bounded(path, FILE_LIMIT)
        if known is None or known.identity.body != body:
            known = _document(url, body, mutable=url.startswith(PROOFS))
        documents[url] = known

    timestamp = decode_timestamp(_body(documents, "/metadata/timestamp.json")).signed
    version = timestamp.snapshot_meta.version
    for path in _versions(public, "snapshot", version):
        add(path)
    snapshot = decode_snapshot(_body(documents, f"/metadata/{version}.snapshot.json")).signed
    current = {name.removesuffix(".json"): meta.version for name, meta in snapshot.meta.items()}
    for role, newest in current.items():
        for path in _versions(public, role, newest):
            add(path)
    for root in list_roots(public, timestamp.version):
        add(public / "metadata" / metadata_name("root", root))
    for path in _log_files(public):
        add(path)
    signed_at = timestamp.expires - TIMESTAMP_LIFE
    packages, withdrawn, missing = _packages(documents, current, blobs, signed_at)
    return Snapshot(
        version=timestamp.version,
        documents=documents,
        packages=packages,
        withdrawn=withdrawn,
        current=current | {"snapshot": version},
        missing=missing,
    )


def _packages(
    documents: Mapping[str, Document],
    current: Mapping[str, int],
    blobs: BlobReader,
    signed_at: datetime,
) -> tuple[dict[str, Package], frozenset[str], frozenset[str]]:
    listed: dict[str, Package] = {}
    withdrawn: set[str] = set()
    empty = set()
    for role, version in current.items():
        data = _body(documents, f"/metadata/{metadata_name(role, version)}")
        for path, target in decode_targets(role, data).signed.targets.items():
            sha256 = target.hashes["sha256"]
            url = f"/targets/{hashed_target_path(path, sha256)}"
            custom = target.unrecognized_fields.get("custom")
            if (
                role not in COMMON_ROLES
                and isinstance(custom, dict)
                and _is_over(custom, signed_at)
            ):
                withdrawn.add(url)
            else:
                listed[url] = Package(sha256, target.length)
                if role == "latest":  # a pointer's target is the empty file, which no store holds
                    empty.add(url)
    lengths = _lengths(
        blobs, {each.sha256: each.length for url, each in listed.items() if url not in empty}
    )
    packages = {
        url: each
        for url, each in listed.items()
        if url in empty or lengths.get(each.sha256) == each.length
    }
    return packages, frozenset(withdrawn), frozenset(listed.keys() - packages.keys())


def _lengths(blobs: BlobReader, listed: Mapping[str, int]) -> Mapping[str, int]:
    """Return the lengths of the blobs that are there; all that are listed, if nobody can tell.

    A store that is away must not keep a halt from phones. Until it is back, packages are not to be
    had, whatever is taken for granted here.
    """
    try:
        return blobs.lengths(listed.keys())
    except StorageError:
        return listed


def _is_over(custom: Mapping[str, Any], signed_at: datetime) -> bool:
    """Answer whether a release is withdrawn and has drained by the time of the timestamp.

    The signed time stands for a clock, so that every node answers alike.
    """
    until = custom.get("drain_until", 0)
    return bool(custom.get("withdrawn")) and signed_at.timestamp() >= until


def _versions(public: Path, role: str, newest: int) -> Iterator[Path]:
    """Yield the versions of a role that are served: no later one than the timestamp leads to."""
    for version in range(max(1, newest - SUPERSEDED), newest + 1):
        path = public / "metadata" / metadata_name(role, version)
        if path.is_file():
            yield path


def _log_files(public: Path) -> Iterator[Path]:
    for path in (public / "log").rglob("*"):
        if (
            not path.name.startswith(TEMPORARY)
            and path != public / "log/checkpoint"
            and path.is_file()
        ):
            yield path


def _document(url: str, body: bytes, *, mutable: bool) -> Document:
    cache = ONE_MINUTE if mutable else IMMUTABLE
    if url.startswith("/log/tile/"):
        headers = _headers("application/octet-stream", cache, body, None)
        return Document(Representation(body, headers["ETag"], headers), None)
    kind = "application/json" if url.endswith(".json") else "text/plain; charset=utf-8"
    packed = gzip.compress(body, 9, mtime=0)
    identity = _headers(kind, cache, body, "identity")
    compressed = _headers(kind, cache, packed, "gzip")
    return Document(
        Representation(body, identity["ETag"], identity),
        Representation(packed, compressed["ETag"], compressed),
    )


def _headers(kind: str, cache: str, body: bytes, coding: str | None) -> dict[str, str]:
    digest = hashlib.sha256(body)
    headers = {
        "Content-Type": kind,
        "Cache-Control": cache,
        "ETag": f'"sha256-{digest.hexdigest()}"',
        "Repr-Digest": f"sha-256=:{base64.b64encode(digest.digest()).decode()}:",
    }
    if coding is not None:
        headers["Vary"] = "Accept-Encoding"
    if coding == "gzip":
        headers["Content-Encoding"] = "gzip"
    return headers


def _body(documents: Mapping[str, Document], url: str) -> bytes:
    document = documents.get(url)
    if document is None:
        raise FormatError(f"{url} is named by the metadata and not there.")
    if len(document.identity.body) > metadata_limit("targets"):
        raise FormatError(f"{url} is over its limit.")
    return document.identity.body
