"""Reads the public state from the public tree.

A role file never changes once it is public, so a publisher parses it once. A file is identified by
name, inode, length and time of change.
"""

import hashlib
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from server.core.errors import FormatError
from server.core.metadata import (
    decode_root,
    decode_snapshot,
    decode_targets,
    decode_timestamp,
    metadata_limit,
)
from server.core.names import is_latest, metadata_name
from server.core.pointer import Pointer, decode_pointer
from server.storage.bounded import read_bounded
from server.storage.tree import list_roots


@dataclass(frozen=True, slots=True)
class Trust:
    """Root, targets, and every delegated role by name.

    `decoded` caches the pointers of `latest` and its parts.
    """

    root: Root
    targets: Targets
    roles: Mapping[str, Targets]
    decoded: dict[str, Pointer] = field(
        default_factory=dict, kw_only=True, repr=False, compare=False
    )

    def pointers(self) -> dict[str, Pointer]:
        """Return the pointers of `latest` and its parts by target path."""
        if not self.decoded:
            self.decoded.update(
                {
                    path: decode_pointer(path, target.unrecognized_fields.get("custom"))
                    for name, role in self.roles.items()
                    if is_latest(name)
                    for path, target in role.targets.items()
                }
            )
        return dict(self.decoded)


@dataclass(frozen=True, slots=True)
class Published(Trust):
    """The trust that the public timestamp leads to."""

    snapshot: Snapshot
    timestamp: Timestamp

    def versions(self) -> dict[str, int]:
        """Return the versions that snapshot lists, by role."""
        return {name.removesuffix(".json"): m.version for name, m in self.snapshot.meta.items()}


_Identity = tuple[int, int, int]


class PublicTree:
    """Reads the public tree repeatedly, and parses only new files."""

    def __init__(self, public: Path) -> None:
        self._public = public
        self._known: dict[str, tuple[_Identity, Targets]] = {}
        self._pointers: tuple[dict[str, _Identity], dict[str, Pointer]] = ({}, {})

    def load(self) -> Published | None:
        """Return the public state, or None if nothing is published yet.

        The files were verified before they became public; this only reads them. Raises FormatError
        for a missing or malformed role file.
        """
        metadata = self._public / "metadata"
        if not (metadata / "timestamp.json").exists():
            return None

        def read(role: str, version: int) -> bytes:
            return read_bounded(metadata / metadata_name(role, version), metadata_limit(role))

        timestamp = decode_timestamp(read("timestamp", 0)).signed
        snapshot = decode_snapshot(read("snapshot", timestamp.snapshot_meta.version)).signed
        names = {
            name.removesuffix(".json"): metadata_name(name.removesuffix(".json"), meta.version)
            for name, meta in snapshot.meta.items()
        }
        identities = {role: _identify(metadata / name) for role, name in names.items()}
        known = {}
        for role, name in names.items():
            before = self._known.get(name)
            if before is None or before[0] != identities[role]:
                data = read_bounded(metadata / name, metadata_limit(role))
                before = (identities[role], decode_targets(role, data).signed)
            known[name] = before
        self._known = known
        roles = {role: known[name][1] for role, name in names.items()}
        latest = {role: identity for role, identity in identities.items() if is_latest(role)}
        if self._pointers[0] != latest:
            self._pointers = (latest, {})
        return Published(
            root=_read_root(self._public, timestamp),
            targets=roles.pop("targets"),
            roles=roles,
            snapshot=snapshot,
            timestamp=timestamp,
            decoded=self._pointers[1],
        )


class _Signature(msgspec.Struct):
    keyid: str


class _Signatures(msgspec.Struct):
    signatures: list[_Signature]


def load_signers(public: Path, role: str, version: int) -> list[str]:
    """Return the ids of the keys that signed a public version of a role, in the file's order.

    Raises FormatError for a malformed file.
    """
    data = read_bounded(public / "metadata" / metadata_name(role, version), metadata_limit(role))
    try:
        found = msgspec.json.decode(data, type=_Signatures)
    except msgspec.MsgspecError as error:
        raise FormatError(f"the {role} file is not TUF metadata.") from error
    return [each.keyid for each in found.signatures]


def hash_online(timestamp: bytes, read: Callable[[str, int], bytes]) -> str:
    """Return a hash of the files of a public state that the online keys signed.

    `read` returns the file of a role's version. The timestamp alone is not enough: two key
    processes may sign the same one within a second, for different files. Raises FormatError for
    malformed files.
    """
    version = decode_timestamp(timestamp).signed.snapshot_meta.version
    snapshot = read("snapshot", version)
    listed = {
        name.removesuffix(".json"): meta.version
        for name, meta in decode_snapshot(snapshot).signed.meta.items()
    }
    latest = [read(role, listed[role]) for role in sorted(listed) if is_latest(role)]
    hashes = (hashlib.sha256(data).digest() for data in (timestamp, snapshot, *latest))
    return hashlib.sha256(b"".join(hashes)).hexdigest()


def load_newest_root(public: Path) -> Root | None:
    """Return the root that goes with the public timestamp, or None if nothing is published yet."""
    path = public / "metadata" / "timestamp.json"
    if not path.exists():
        return None
    timestamp = decode_timestamp(read_bounded(path, metadata_limit("timestamp"))).signed
    return _read_root(public, timestamp)


def load_published(public: Path) -> Published | None:
    """Read the public tree once, as `PublicTree.load` does."""
    return PublicTree(public).load()


def _identify(path: Path) -> _Identity:
    try:
        found = path.lstat()
    except FileNotFoundError as error:
        raise FormatError(f"{path.name} is not there: restore public/ from a copy.") from error
    if not stat.S_ISREG(found.st_mode):
        raise FormatError(f"{path.name} is not a regular file.")
    return found.st_ino, found.st_size, found.st_mtime_ns


def _read_root(public: Path, timestamp: Timestamp) -> Root:
    newest = list_roots(public, timestamp.version)[-1]
    path = public / "metadata" / metadata_name("root", newest)
    return decode_root(read_bounded(path, metadata_limit("root"))).signed
