"""Whether a snapshot follows from the root that the operator pinned.

What the timestamp leads to is what was signed, whatever happened to the files since, or nothing of
the snapshot is served; `holding` is about the other files. Expiry is not looked at:
phones refuse what has expired, and an expired timestamp says more to them than none. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuf.api.metadata import Metadata, Root, Targets

from server.core.errors import TrustError
from server.core.metadata import verify_first_root, verify_role, verify_root
from server.core.names import metadata_name
from server.device.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Trusted:
    """What was verified of a snapshot: its root, its targets, and the version of each role.

    Of roots those that follow the `pinned` version were.
    """

    pinned: int
    root: Root
    targets: Targets
    versions: Mapping[str, int]


def verify_snapshot(snapshot: Snapshot, pinned: bytes, before: Trusted | None) -> Trusted:
    """Verify each current version of `snapshot`, from the `pinned` root on.

    Versions in `before` whose keys are the same are not verified again. Raises TrustError or
    FormatError.
    """
    root = verify_first_root(pinned).signed if before is None else before.root
    first = root.version if before is None else before.pinned
    if snapshot.root < root.version:
        raise TrustError(f"root {root.version} is trusted, and {snapshot.root} is the newest.")
    for version in range(root.version + 1, snapshot.root + 1):
        root = verify_root(_body(snapshot, "root", version), root, None).signed
    timestamp = snapshot.documents["/metadata/timestamp.json"].identity.body
    named = verify_role("timestamp", timestamp, root, None).signed.snapshot_meta.version
    meta = _verify(snapshot, "snapshot", named, root).signed.meta
    versions = {name.removesuffix(".json"): each.version for name, each in meta.items()}
    targets = None if before is None or root is not before.root else before.targets
    if targets is None or targets.version != versions["targets"]:
        targets = _verify(snapshot, "targets", versions["targets"], root).signed
    for role, version in versions.items():
        if role != "targets" and not _is_verified(role, version, targets, before):
            _verify(snapshot, role, version, targets)
    return Trusted(first, root, targets, versions)


def _verify(
    snapshot: Snapshot, role: str, version: int, delegator: Root | Targets
) -> Metadata[Any]:
    metadata = verify_role(role, _body(snapshot, role, version), delegator, None)
    if metadata.signed.version != version:
        raise TrustError(f"{metadata_name(role, version)} is {role} {metadata.signed.version}.")
    return metadata


def _is_verified(role: str, version: int, targets: Targets, before: Trusted | None) -> bool:
    return (
        before is not None
        and before.versions.get(role) == version
        and _delegation(role, targets) == _delegation(role, before.targets)
    )


def _delegation(role: str, targets: Targets) -> object:
    """Return what of `targets` decides whether a version of `role` is signed."""
    delegations = targets.delegations
    delegated = (delegations.roles or {}).get(role) if delegations else None
    # A key's id is the hash of the key: server/core/profile.py.
    return delegated and (delegated.keyids, delegated.threshold)


def _body(snapshot: Snapshot, role: str, version: int) -> bytes:
    path = f"/metadata/{metadata_name(role, version)}"
    if path not in snapshot.documents:
        raise TrustError(f"{path} is named by the metadata and not there.")
    return snapshot.documents[path].identity.body
