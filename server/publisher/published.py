"""Reads the public state from the public tree.

A role file never changes once it is public, so a publisher parses it once. A file is identified by
name, inode, length and time of change.
"""

import hashlib
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec
from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from server.core.errors import FormatError
from server.core.metadata import decode_root, decode_snapshot, decode_targets, decode_timestamp
from server.core.names import is_latest, metadata_name
from server.core.pointer import Pointer, decode_pointer
from server.storage.tree import list_roots, read_role


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

    def signed(self) -> dict[str, Root | Targets | Snapshot | Timestamp]:
        """Return every role by name."""
        return {
            "root": self.root,
            "targets": self.targets,
            **self.roles,
            "snapshot": self.snapshot,
            "timestamp": self.timestamp,
        }

    def versions(self) -> dict[str, int]:
        """Return the versions that snapshot lists, by role."""
        return list_versions(self.snapshot)


def list_versions(snapshot: Snapshot) -> dict[str, int]:
    """Return the versions that a snapshot lists, by role."""
    return {name.removesuffix(".json"): meta.version for name, meta in snapshot.meta.items()}


_Identity = tuple[int, int, int]


class PublicTree:
    """Reads the public tree repeatedly, and parses only new files."""

    def __init__(self, public: Path) -> None:
        self._public = public
        self._known: dict[tuple[str, int], tuple[_Identity, Targets]] = {}
        self._pointers: tuple[dict[str, _Identity], dict[str, Pointer]] = ({}, {})

    def load(self) -> Published | None:
        """Return the public state, or None if nothing is published yet.

        The files were verified before they became public; this only reads them. Raises FormatError
        for a missing or malformed role file.
        """
        metadata = self._public / "metadata"
        if not (metadata / "timestamp.json").exists():
            return None

        timestamp = decode_timestamp(read_role(self._public, "timestamp", 0)).signed
        version = timestamp.snapshot_meta.version
        snapshot = decode_snapshot(read_role(self._public, "snapshot", version)).signed
        versions = list_versions(snapshot)
        identities = {
            role: _identify(metadata / metadata_name(role, version))
            for role, version in versions.items()
        }
        known = {}
        for role, version in versions.items():
            before = self._known.get((role, version))
            if before is None or before[0] != identities[role]:
                data = read_role(self._public, role, version)
                before = (identities[role], decode_targets(role, data).signed)
            known[role, version] = before
        self._known = known
        roles = {role: parsed for (role, _), (_, parsed) in known.items()}
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
    try:
        found = msgspec.json.decode(read_role(public, role, version), type=_Signatures)
    except msgspec.MsgspecError as error:
        raise FormatError(f"the {role} file is not TUF metadata.") from error
    return [each.keyid for each in found.signatures]


def hash_public(public: Path) -> str:
    """Return `hash_online` of a public tree, "" if nothing is published."""
    if not (public / "metadata" / "timestamp.json").exists():
        return ""
    return hash_online(partial(read_role, public))


def hash_online(read: Callable[[str, int], bytes]) -> str:
    """Return a hash of the files of a public state that the online keys signed.

    `read` returns the file of a role's version; the timestamp has version 0. The timestamp alone is
    not enough: two key processes may sign the same one within a second, for different files. Raises
    FormatError for malformed files.
    """
    timestamp = read("timestamp", 0)
    version = decode_timestamp(timestamp).signed.snapshot_meta.version
    snapshot = read("snapshot", version)
    listed = list_versions(decode_snapshot(snapshot).signed)
    latest = [read(role, listed[role]) for role in sorted(listed) if is_latest(role)]
    hashes = (hashlib.sha256(data).digest() for data in (timestamp, snapshot, *latest))
    return hashlib.sha256(b"".join(hashes)).hexdigest()


def load_newest_root(public: Path) -> Root | None:
    """Return the root that goes with the public timestamp, or None if nothing is published yet."""
    if not (public / "metadata" / "timestamp.json").exists():
        return None
    return _read_root(public, decode_timestamp(read_role(public, "timestamp", 0)).signed)


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
    return decode_root(read_role(public, "root", newest)).signed
