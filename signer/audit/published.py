"""Reads and verifies a mirror's current metadata as a phone does, and lists the versions it serves.

Metadata that does not verify is a finding, and the audit continues with the rest: the log is read
whatever state the metadata is in.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tuf.api.metadata import Root, Snapshot, Targets

from server.core.checkpoint import (
    MAX_PROOF,
    decode_checkpoint,
    decode_proof,
    encode_leaf,
    verify_proof,
)
from server.core.encodings import MAX_INTEGER
from server.core.errors import FormatError, TrustError
from server.core.metadata import (
    ROOT_LIMIT,
    check_expiry,
    metadata_limit,
    verify_first_root,
    verify_role,
    verify_root,
)
from server.core.names import check_role, is_latest, metadata_name
from server.core.note import MAX_NOTE, VerifierKey
from server.core.pointer import decode_pointer
from server.core.profile import check_delegated, check_root, check_targets
from server.core.succession import check_role_alone
from server.core.tlog import EMPTY_ROOT, verify_consistency
from signer.audit.findings import AnswerError, Findings, Kind
from signer.audit.log_reader import Tiles
from signer.audit.mirror import Mirror

SUPERSEDED = 8  # versions before the current one that are still served (docs/FORMATS.md section 8)
MAX_ROOTS = 1024  # new roots that one audit follows, and earlier roots that it reads


@dataclass(frozen=True, slots=True)
class Served:
    """A role version that the mirror serves, and the sha256 of its bytes."""

    role: str
    version: int
    sha256: str


@dataclass(slots=True)
class Published:
    """The verified metadata; `is_complete` is true if it includes snapshot and targets."""

    root: Root
    root_bytes: bytes
    delegated: set[str] = field(default_factory=set)
    current: dict[str, int] = field(default_factory=dict)
    served: list[Served] = field(default_factory=list)
    is_complete: bool = False

    def oldest_served(self, role: str) -> int:
        """Return the oldest version of `role` that may still be served, 0 if all may be."""
        if role == "root":
            return 0
        if not self.is_complete:
            return MAX_INTEGER  # no served version of the role is known
        return max(0, self.current.get(role, 0) - SUPERSEDED)

    def is_due(self, role: str, version: int, highest: int) -> bool:
        """Return whether a mirror must serve `version` of a role; `highest` is the last logged one.

        The log is read last: versions that it has superseded meanwhile need not be served.
        """
        if not self.is_complete or version > self.current.get(role, 0):
            return False
        return version >= highest - (MAX_ROOTS if role == "root" else SUPERSEDED)


def read_published(
    mirror: Mirror, trusted: bytes, before: Mapping[str, int], now: datetime, findings: Findings
) -> Published:
    """Follow the roots from `trusted`, verify the current metadata, and list all served versions.

    `before` has the versions that an earlier audit saw; none may have decreased.
    """
    published = _follow_roots(mirror, trusted, findings)
    with findings.catching(Kind.EXPIRED):
        check_expiry("root", published.root, now)
    _list_roots(mirror, published, trusted, findings)
    with findings.catching(Kind.METADATA):
        _read_snapshot(mirror, published, now, findings)
    for role, version in before.items():
        found = published.current.get(role, 0)
        if published.is_complete and found < version:
            findings.add(
                Kind.ROLL_BACK,
                f"The mirror publishes version {found} of {role}; an earlier audit saw {version}.",
                role=role,
                published=found,
                seen=version,
            )
    return published


def _follow_roots(mirror: Mirror, trusted: bytes, findings: Findings) -> Published:
    root = verify_first_root(trusted).signed
    check_root(root)
    published = Published(root, trusted)
    count = 0
    while _follow_root(mirror, published, findings):
        count += 1
        if count == MAX_ROOTS:
            findings.add(Kind.METADATA, f"There are more than {MAX_ROOTS} new roots on the mirror.")
            break
    published.current["root"] = published.root.version
    return published


def _follow_root(mirror: Mirror, published: Published, findings: Findings) -> bool:
    """Follow the next root; return whether there was one that verifies."""
    before = published.root
    path = f"/metadata/{metadata_name('root', before.version + 1)}"
    with findings.catching(Kind.METADATA, path=path):
        data = mirror.fetch(path, ROOT_LIMIT)
        if data is not None:
            root = verify_root(data, before, None).signed
            check_root(root)
            published.root, published.root_bytes = root, data
    return published.root is not before


def _list_roots(mirror: Mirror, published: Published, trusted: bytes, findings: Findings) -> None:
    """List every served root; add a finding if a trusted one is served with other bytes."""
    pinned = {verify_first_root(trusted).signed.version: trusted}
    pinned[published.root.version] = published.root_bytes
    newest = published.root.version
    versions = range(max(1, newest - MAX_ROOTS), newest + 1)
    for served in _list_served(mirror, "root", versions, findings):
        published.served.append(served)
        data = pinned.get(served.version)
        if data is not None and _sha256(data) != served.sha256:
            findings.add(
                Kind.EQUIVOCATION,
                f"Root {served.version} on the mirror differs from the trusted one.",
                served=served.sha256,
                trusted=_sha256(data),
            )


def _read_snapshot(mirror: Mirror, published: Published, now: datetime, findings: Findings) -> None:
    data = _fetch(mirror, "timestamp", 0)
    timestamp = verify_role("timestamp", data, published.root, None).signed
    with findings.catching(Kind.EXPIRED):
        check_expiry("timestamp", timestamp, now)
    version = _check_version("snapshot", timestamp.snapshot_meta.version)
    data = _fetch(mirror, "snapshot", version)
    snapshot: Snapshot = verify_role("snapshot", data, published.root, None).signed
    _check("snapshot", version, snapshot, now, findings)
    current = {name.removesuffix(".json"): meta.version for name, meta in snapshot.meta.items()}
    for role, number in current.items():
        check_role(role)
        _check_version(role, number)
    if "targets" not in current or not current.keys().isdisjoint({"root", "snapshot", "timestamp"}):
        raise FormatError("the snapshot lacks targets, or lists root, snapshot or timestamp.")
    number = current.pop("targets")
    data = _fetch(mirror, "targets", number)
    targets: Targets = verify_role("targets", data, published.root, None).signed
    _check("targets", number, targets, now, findings)
    check_targets(published.root, targets)
    published.served.append(Served("targets", number, _sha256(data)))
    delegations = targets.delegations
    published.delegated |= set(delegations.roles or ()) if delegations else set()
    published.current |= {**current, "targets": number}
    published.is_complete = True
    for role, number in sorted(current.items()):
        with findings.catching(Kind.METADATA, role=role, version=number):
            data = _fetch(mirror, role, number)
            published.served.append(Served(role, number, _sha256(data)))
            delegated: Targets = verify_role(role, data, targets, None).signed
            _check(role, number, delegated, now, findings)
            _check_content(role, delegated)
    for role in sorted({*current, "targets"}):
        versions = range(max(1, published.oldest_served(role)), published.current[role])
        published.served += _list_served(mirror, role, versions, findings)


def _list_served(
    mirror: Mirror, role: str, versions: range, findings: Findings
) -> Iterator[Served]:
    """Yield each of `versions` that the mirror still has; a superseded one may be gone."""
    for version in versions:
        path = f"/metadata/{metadata_name(role, version)}"
        with findings.catching(Kind.METADATA, role=role, version=version):
            data = mirror.fetch(path, metadata_limit(role))
            if data is not None:
                yield Served(role, version, _sha256(data))


def _check(
    role: str, version: int, signed: Targets | Snapshot, now: datetime, findings: Findings
) -> None:
    if signed.version != version:
        raise TrustError(f"{metadata_name(role, version)} holds version {signed.version}.")
    with findings.catching(Kind.EXPIRED, role=role, version=version):
        check_expiry(role, signed, now)


def _check_content(role: str, targets: Targets) -> None:
    if not is_latest(role):
        check_role_alone(role, targets)
        return
    check_delegated(role, targets)
    for path, target in targets.targets.items():
        decode_pointer(path, target.unrecognized_fields.get("custom"))


def _fetch(mirror: Mirror, role: str, version: int) -> bytes:
    path = f"/metadata/{metadata_name(role, version)}"
    data = mirror.fetch(path, metadata_limit(role))
    if data is None:
        raise AnswerError(f"{path} is not on the mirror.")
    return data


def _check_version(role: str, version: object) -> int:
    # python-tuf accepts `true` and 1.5 as versions, and the version becomes part of a path.
    if type(version) is not int or not 1 <= version <= MAX_INTEGER:
        raise FormatError(f"{role} is listed with the version {str(version)[:32]}.")
    return version


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


CHECKPOINT = "/log/checkpoint"


@dataclass(frozen=True, slots=True)
class Head:
    """A signed checkpoint: its path on the mirror, its bytes, and the tree's size and root hash."""

    place: str
    note: bytes
    size: int
    root: bytes


def read_checkpoint(mirror: Mirror, key: VerifierKey) -> Head:
    """Return the mirror's own checkpoint.

    Raises AnswerError if there is none, and a HeningError if `key` did not sign it.
    """
    note = mirror.fetch(CHECKPOINT, MAX_NOTE)
    if note is None:
        raise AnswerError(f"{CHECKPOINT} is not on the mirror.")
    checkpoint = decode_checkpoint(note, key)
    return Head(CHECKPOINT, note, checkpoint.size, checkpoint.root)


def read_stapled(
    mirror: Mirror, published: Published, key: VerifierKey, findings: Findings
) -> list[Head]:
    """Return the checkpoints of the valid proofs of all current versions.

    Each proof is verified against the bytes that the mirror serves for the version.
    """
    stapled = []
    for served in published.served:
        if served.version != published.current[served.role]:
            continue
        place = f"/log/proof/{served.role}.{served.version}"
        with findings.catching(Kind.PROOF, path=place, served=served.sha256):
            data = mirror.fetch(place, MAX_PROOF)
            if data is None:
                raise AnswerError(f"{place} is not on the mirror.")
            entry = encode_leaf(served.role, served.version, served.sha256)
            checkpoint = verify_proof(data, entry, key)
            note = decode_proof(data).checkpoint
            stapled.append(Head(place, note, checkpoint.size, checkpoint.root))
    return stapled


def check_prefix(tiles: Tiles, old: Head, new: Head, findings: Findings) -> None:
    """Add a finding of equivocation if the tree of `old` is not a prefix of the tree of `new`.

    The evidence is complete: both signed checkpoints, and a consistency proof from the root that
    the old size has in the new tree, which differs from the signed one. If the tiles do not lead to
    `new`, nothing is proven, and the finding says that.
    """
    with findings.catching(Kind.LOG, checkpoints=[show(old), show(new)]):
        proof: list[bytes] = []
        root = new.root if old.size else EMPTY_ROOT
        if 0 < old.size < new.size:
            root = tiles.hash_of(0, old.size)
            proof = tiles.consistency_proof(old.size)
            verify_consistency(old.size, root, new.size, new.root, proof)
        if root != old.root:
            findings.add(
                Kind.EQUIVOCATION,
                f"The log has signed two histories: the tree of {old.size} ({old.place}) is not a"
                f" prefix of the tree of {new.size} ({new.place}).",
                checkpoints=[show(old), show(new)],
                consistency_proof=[each.hex() for each in proof],
                root_in_larger_tree=root.hex(),
            )


def show(head: Head) -> str:
    """Return the signed bytes of a checkpoint as text; a verified note is always UTF-8."""
    return head.note.decode()
