"""What is public now, read back from the public tree."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from server.core.metadata import (
    decode_root,
    decode_snapshot,
    decode_targets,
    decode_timestamp,
    metadata_limit,
)
from server.core.names import metadata_name
from server.core.pointer import Pointer, decode_pointer
from server.storage.bounded import read_bounded
from server.storage.roots import list_roots


@dataclass(frozen=True, slots=True)
class Trust:
    """Root, targets, and every delegated role by name."""

    root: Root
    targets: Targets
    roles: Mapping[str, Targets]

    def pointers(self) -> dict[str, Pointer]:
        """Return the pointers of `latest` by target path."""
        latest = self.roles.get("latest")
        if latest is None:
            return {}
        return {
            path: decode_pointer(path, target.unrecognized_fields.get("custom"))
            for path, target in latest.targets.items()
        }


@dataclass(frozen=True, slots=True)
class Published(Trust):
    """The trust that the public timestamp leads to."""

    snapshot: Snapshot
    timestamp: Timestamp


def load_newest_root(public: Path) -> Root | None:
    """Read the root that goes with the public timestamp, or None when nothing is published yet."""
    path = public / "metadata" / "timestamp.json"
    if not path.exists():
        return None
    timestamp = decode_timestamp(read_bounded(path, metadata_limit("timestamp"))).signed
    return _read_root(public, timestamp)


def load_published(public: Path) -> Published | None:
    """Read the public tree, or None when nothing was published yet.

    The files were verified before they became public; this only reads them.
    """
    metadata = public / "metadata"
    if not (metadata / "timestamp.json").exists():
        return None

    def read(role: str, version: int) -> bytes:
        return read_bounded(metadata / metadata_name(role, version), metadata_limit(role))

    timestamp = decode_timestamp(read("timestamp", 0)).signed
    snapshot = decode_snapshot(read("snapshot", timestamp.snapshot_meta.version)).signed
    versions = {name.removesuffix(".json"): meta.version for name, meta in snapshot.meta.items()}
    roles = {role: decode_targets(role, read(role, n)).signed for role, n in versions.items()}
    return Published(
        root=_read_root(public, timestamp),
        targets=roles.pop("targets"),
        roles=roles,
        snapshot=snapshot,
        timestamp=timestamp,
    )


def _read_root(public: Path, timestamp: Timestamp) -> Root:
    newest = list_roots(public, timestamp.version)[-1]
    path = public / "metadata" / metadata_name("root", newest)
    return decode_root(read_bounded(path, metadata_limit("root"))).signed
