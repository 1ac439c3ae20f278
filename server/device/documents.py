"""Small files in memory, each representation as the bytes that are sent."""

import base64
import gzip
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from tuf.api.metadata import Targets

from server.core.encodings import decode_decimal
from server.core.errors import FormatError
from server.core.names import hashed_target_path, is_codename, is_latest
from server.core.tiles import LEVEL_BITS, WIDTH, tile_path
from server.http.answers import (
    IMMUTABLE,
    ONE_MINUTE,
    Fields,
    Package,
    decode_fields,
    encode_fields,
    unmodified_headers,
)
from server.storage.bounded import TEMPORARY, read_bounded
from server.storage.tree import load_proof_renewals


class Representation(msgspec.Struct, frozen=True, gc=False):
    """A small file in one content coding, serialised once.

    `data` is an answer without its status line and `Date`: header fields, an empty line, the body.
    Its first `head` bytes end with the empty line. `unmodified` is the same for a 304.
    """

    data: bytes
    head: int
    etag: str
    unmodified: bytes

    @property
    def body(self) -> bytes:
        """The bytes after the header fields."""
        return self.data[self.head :]

    @property
    def headers(self) -> Fields:
        """The header fields, in the order in which they are sent."""
        return decode_fields(self.data[: self.head])


class Document(msgspec.Struct, frozen=True, gc=False):
    """A small file in memory; `compressed` is its gzip form, if it has one."""

    identity: Representation
    compressed: Representation | None


def make_document(url: str, body: bytes, *, mutable: bool) -> Document:
    """Return the file served at `url`; if `mutable`, caches may keep it only for a minute."""
    cache = ONE_MINUTE if mutable else IMMUTABLE
    if url.startswith("/log/tile/"):
        return Document(_represent("application/octet-stream", cache, body, None), None)
    kind = "application/json" if url.endswith(".json") else "text/plain; charset=utf-8"
    packed = gzip.compress(body, 9, mtime=0)
    return Document(
        _represent(kind, cache, body, "identity"), _represent(kind, cache, packed, "gzip")
    )


def _represent(kind: str, cache: str, body: bytes, coding: str | None) -> Representation:
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
    headers["Content-Length"] = str(len(body))
    fields = encode_fields(headers)
    unmodified = encode_fields(unmodified_headers(headers))
    return Representation(fields + body, len(fields), headers["ETag"], unmodified)


FILE_LIMIT = 65_536
_PROOF = re.compile(r"([a-z0-9][a-z0-9_-]{0,31})\.([1-9][0-9]{0,15})")


@dataclass(frozen=True, slots=True)
class LogFiles:
    """Tiles and proofs by path, and the state that the next load needs.

    The state is the tree's `size`, the `versions` whose proofs are loaded, and the number of times
    that proofs were signed again (`restated`), by another key of the log.
    """

    documents: Mapping[str, Document] = field(default_factory=dict)
    size: int = 0
    versions: Mapping[str, int] = field(default_factory=dict)
    restated: int = 0


def load_log_files(
    public: Path, checkpoint: bytes, versions: Mapping[str, int], previous: LogFiles
) -> LogFiles:
    """Read the files of the log that `previous` does not have.

    `versions` are the current versions of the roles. Raises FormatError or OSError if a file cannot
    be read.
    """
    log = public / "log"
    # Read first, so that the next load reads proofs again that are signed after this line.
    restated = load_proof_renewals(public)
    size = _size(checkpoint)
    documents = dict(previous.documents)
    for path in _tiles(log, size, previous.size):
        url = f"/{path.relative_to(public).as_posix()}"
        if url not in documents:
            documents[url] = make_document(url, read_bounded(path, FILE_LIMIT), mutable=False)
    is_known = previous.versions and restated == previous.restated and restated % 2 == 0
    proofs = _new_proofs(versions, previous.versions) if is_known else _all_proofs(log, versions)
    for name in proofs:
        path, url = log / "proof" / name, f"/log/proof/{name}"
        if path.is_file():
            body = read_bounded(path, FILE_LIMIT)
            known = documents.get(url)
            if known is None or known.identity.body != body:
                documents[url] = make_document(url, body, mutable=True)
    return LogFiles(documents, size, dict(versions), restated)


def _size(checkpoint: bytes) -> int:
    lines = checkpoint.split(b"\n", 2)
    if len(lines) < 3:
        raise FormatError("the checkpoint has no size.")
    return decode_decimal(lines[1].decode("ascii", "replace"))


def _tiles(log: Path, size: int, since: int) -> Iterator[Path]:
    """Yield the tiles of a tree of `size` leaves that a tree of `since` leaves may not have.

    A partial tile has a file for each published size of the log.
    """
    levels: list[tuple[int | str, int]] = [("entries", 0)]
    levels += [(level, level * LEVEL_BITS) for level in range(size.bit_length() // LEVEL_BITS + 1)]
    for level, bits in levels:
        for index in range((since >> bits) // WIDTH, -(-(size >> bits) // WIDTH)):
            full = log / tile_path(level, index, WIDTH)
            if full.is_file():
                yield full
            partial = full.with_name(f"{full.name}.p")
            if partial.is_dir():
                yield from (
                    path
                    for path in sorted(partial.iterdir())
                    if not path.name.startswith(TEMPORARY) and path.is_file()
                )


def _new_proofs(versions: Mapping[str, int], before: Mapping[str, int]) -> Iterator[str]:
    for role, newest in versions.items():
        for version in range(before.get(role, 0) + 1, newest + 1):
            yield f"{role}.{version}"


def _all_proofs(log: Path, versions: Mapping[str, int]) -> Iterator[str]:
    """Yield the names of all proofs up to each role's current version."""
    folder = log / "proof"
    for path in folder.iterdir() if folder.is_dir() else ():
        match = _PROOF.fullmatch(path.name)
        if match is not None and int(match[2]) <= versions.get(match[1], 0):
            yield path.name


@dataclass(frozen=True, slots=True)
class RoleFiles:
    """A role's current version, its served metadata files by path, and its targets by URL.

    `drains` maps each withdrawn target to the epoch second until which it is served. `absent` are
    the targets whose blob is missing. `is_whole`: all blobs of targets that are not withdrawn
    exist, and no version was left out as altered. A role that is not whole is loaded again.
    """

    version: int
    documents: Mapping[str, Document]
    packages: Mapping[str, Package]
    drains: Mapping[str, float]
    absent: frozenset[str]
    is_whole: bool

    def over(self, signed_at: datetime) -> set[str]:
        """Return the URLs of targets that are withdrawn and have drained by `signed_at`.

        `signed_at` is a signed time and not a clock's, so that all nodes answer alike.
        """
        time = signed_at.timestamp()
        return {url for url, until in self.drains.items() if time >= until}


class ListedTarget(NamedTuple):
    """A target without the rest of its metadata; `drain_until` is None unless it is withdrawn."""

    url: str
    sha256: str
    length: int
    drain_until: float | None


def list_targets(role: str, targets: Targets) -> list[ListedTarget]:
    """Return the targets of `role`, without the rest of its metadata."""
    may_withdraw = is_codename(role)
    listed = []
    for path, target in targets.targets.items():
        sha256 = target.hashes["sha256"]
        custom = target.unrecognized_fields.get("custom")
        until = None
        if may_withdraw and isinstance(custom, dict) and custom.get("withdrawn"):
            until = custom.get("drain_until", 0)
        url = f"/targets/{hashed_target_path(path, sha256)}"
        listed.append(ListedTarget(url, sha256, target.length, until))
    return listed


def make_role_files(
    role: str,
    version: int,
    documents: Mapping[str, Document],
    targets: Iterable[ListedTarget],
    lengths: Mapping[str, int] | None,
) -> RoleFiles:
    """Return the served files of `role`, whose current version is `version` and lists `targets`.

    `lengths` are the lengths of the existing blobs, by sha256. With None they are unknown, and all
    targets are assumed to exist.
    """
    packages: dict[str, Package] = {}
    drains: dict[str, float] = {}
    absent: set[str] = set()
    is_empty = is_latest(role)  # a pointer's target is the empty file, which is not in the store
    for url, sha256, length, drain_until in targets:
        if drain_until is not None:
            drains[url] = drain_until
        if is_empty or lengths is None or lengths.get(sha256) == length:
            packages[url] = Package(sha256, length)
        else:
            absent.add(url)
    is_whole = lengths is not None and absent <= drains.keys()
    return RoleFiles(version, documents, packages, drains, frozenset(absent), is_whole)
