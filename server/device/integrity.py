"""Finds the files of a snapshot that differ from what was signed, from the pinned root on."""

import contextlib
import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tuf.api.metadata import Metadata, Root, Targets

from server.core.checkpoint import (
    Checkpoint,
    decode_checkpoint,
    decode_leaf,
    decode_proof,
    encode_leaf,
)
from server.core.errors import FormatError, LogError, TrustError
from server.core.metadata import (
    decode_role,
    decode_root,
    verify_decoded,
    verify_first_root,
    verify_role,
    verify_root,
)
from server.core.names import metadata_name
from server.core.note import VerifierKey
from server.core.profile import log_verifier
from server.core.tiles import WIDTH, decode_entries, tile_path
from server.core.tlog import leaf_hash, verify_inclusion
from server.device.documents import Document
from server.device.gate import VERSIONED
from server.device.snapshot import Snapshot


class Proofs:
    """Verifies proofs by the log's `key`; the tiles with its entries are among `documents`."""

    def __init__(self, documents: Mapping[str, Document], key: VerifierKey) -> None:
        self._documents = documents
        self._key = key
        # The proofs of a publication share a checkpoint.
        self._checkpoints: dict[bytes, Checkpoint] = {}
        self._entries: dict[int, list[bytes]] = {}

    def is_signed(self, checkpoint: bytes) -> bool:
        """Return whether the log's key has signed `checkpoint`."""
        try:
            self._checkpoint(checkpoint)
        except (FormatError, LogError):
            return False
        return True

    def is_shown(self, proof: bytes, entry: bytes) -> bool:
        """Return whether `proof` proves that `entry` is in the log."""
        try:
            found = decode_proof(proof)
            head = self._checkpoint(found.checkpoint)
            verify_inclusion(leaf_hash(entry), found.index, head.size, found.hashes, head.root)
        except (FormatError, LogError):
            return False
        return True

    def read_entry(self, proof: bytes) -> bytes:
        """Return the log entry at the index of `proof`; empty if there is none."""
        try:
            index, at = divmod(decode_proof(proof).index, WIDTH)
            if index not in self._entries:
                self._entries[index] = self._read_tile(index)
            return self._entries[index][at]
        except (FormatError, IndexError):
            return b""

    def _read_tile(self, index: int) -> list[bytes]:
        """Return the entries of the widest tile, whatever size an altered checkpoint claims."""
        for width in range(WIDTH, 0, -1):
            tile = self._documents.get(f"/log/{tile_path('entries', index, width)}")
            if tile is not None:
                return decode_entries(tile.identity.body, width)
        return []

    def _checkpoint(self, note: bytes) -> Checkpoint:
        if note not in self._checkpoints:
            self._checkpoints[note] = decode_checkpoint(note, self._key)
        return self._checkpoints[note]


@dataclass(frozen=True, slots=True)
class Trusted:
    """The verified part of a snapshot: its root, its targets, and the version of each role.

    The roots after version `pinned` were verified.
    """

    pinned: int
    root: Root
    targets: Targets
    versions: Mapping[str, int]


class SnapshotVerifier:
    """Verifies the current version of each role of a snapshot, from the `pinned` root on.

    Versions that `before` has with the same keys are not verified again. All methods raise
    TrustError or FormatError.
    """

    def __init__(self, pinned: bytes, before: Trusted | None) -> None:
        self._before = before
        self._root = verify_first_root(pinned).signed if before is None else before.root
        self._first = self._root.version if before is None else before.pinned
        self._targets: Targets  # set by `begin`
        self._versions: Mapping[str, int] = {}
        self._verified = {"targets"}

    def begin(self, documents: Mapping[str, Document], root: int) -> None:
        """Verify the chain of roots up to version `root`, timestamp, snapshot and targets."""
        if root < self._root.version:
            raise TrustError(
                f"root {self._root.version} is trusted already, but {root} is the newest."
            )
        for version in range(self._root.version + 1, root + 1):
            body = _body(documents, "root", version)
            self._root = verify_root(body, self._root, None).signed
        timestamp = _document(documents, "/metadata/timestamp.json")
        named = verify_role("timestamp", timestamp, self._root, None).signed.snapshot_meta.version
        snapshot = decode_role("snapshot", _body(documents, "snapshot", named))
        _verify_version("snapshot", snapshot, named, self._root)
        meta = snapshot.signed.meta
        self._versions = {name.removesuffix(".json"): each.version for name, each in meta.items()}
        before, version = self._before, self._versions["targets"]
        if before and self._root is before.root and before.targets.version == version:
            self._targets = before.targets
            return
        targets = decode_role("targets", _body(documents, "targets", version))
        _verify_version("targets", targets, version, self._root)
        self._targets = targets.signed

    def verify(self, role: str, metadata: Metadata[Targets]) -> None:
        """Verify the current version of a role that targets delegates to, after `begin`."""
        if role not in self._verified:
            _verify_version(role, metadata, self._versions[role], self._targets)
            self._verified.add(role)

    def finish(self, documents: Mapping[str, Document]) -> Trusted:
        """Verify the remaining roles unless version and keys are as before; return the result."""
        for role, version in self._versions.items():
            if role in self._verified:
                continue
            if not _is_signed_by(role, version, self._targets, self._before):
                self.verify(role, decode_role(role, _body(documents, role, version)))
        return Trusted(self._first, self._root, self._targets, self._versions)


def verify_snapshot(snapshot: Snapshot, pinned: bytes, before: Trusted | None) -> Trusted:
    """Verify a loaded snapshot, as SnapshotVerifier does while one is loaded."""
    verifier = SnapshotVerifier(pinned, before)
    verifier.begin(snapshot.documents, snapshot.root)
    return verifier.finish(snapshot.documents)


def _verify_version(
    role: str, metadata: Metadata[Any], version: int, delegator: Root | Targets
) -> None:
    verify_decoded(role, metadata, delegator, None)
    if metadata.signed.version != version:
        raise TrustError(f"{metadata_name(role, version)} is {role} {metadata.signed.version}.")


def _is_signed_by(role: str, version: int, targets: Targets, before: Trusted | None) -> bool:
    return (
        before is not None
        and before.versions.get(role) == version
        and _delegation(role, targets) == _delegation(role, before.targets)
    )


def _delegation(role: str, targets: Targets) -> object:
    """Return the part of `targets` that decides whether a version of `role` is signed."""
    delegations = targets.delegations
    delegated = (delegations.roles or {}).get(role) if delegations else None
    # A key's id is the hash of the key: server/core/profile.py.
    return delegated and (delegated.keyids, delegated.threshold)


def _body(documents: Mapping[str, Document], role: str, version: int) -> bytes:
    return _document(documents, f"/metadata/{metadata_name(role, version)}")


def _document(documents: Mapping[str, Document], path: str) -> bytes:
    if path not in documents:
        raise TrustError(f"{path} is named by the metadata but missing.")
    return documents[path].identity.body


_CHECKPOINT = "/log/checkpoint"
_PROOF = "/log/proof/"


def find_altered(snapshot: Snapshot, previous: Snapshot, trusted: Trusted) -> frozenset[str]:
    """Return the paths of files that do not verify; `trusted` is from `verify_snapshot`.

    Files that are also in `previous` were verified before and are skipped.
    """
    documents, known = snapshot.documents, previous.documents
    fresh = {path for path, each in documents.items() if known.get(path) is not each}
    proofs = Proofs(documents, log_verifier(trusted.root))
    altered = set[str]()
    if _CHECKPOINT in fresh and not proofs.is_signed(documents[_CHECKPOINT].identity.body):
        altered.add(_CHECKPOINT)
    versions = _versions(fresh)
    for role, version in versions:
        if role != "snapshot":
            is_verified = _is_verified(role, version, snapshot, trusted)
            altered.update(_find_logged(role, version, documents, proofs, is_verified=is_verified))
    superseded = {each for role, each in versions if role == "snapshot"}
    superseded.discard(snapshot.current["snapshot"])
    if superseded:
        roots = _read_roots(documents, altered)
        unsigned = {each for each in superseded if not _is_signed(each, documents, roots)}
        altered.update(_metadata("snapshot", each) for each in unsigned)
    return frozenset(altered)


def leave_out(snapshot: Snapshot, paths: frozenset[str]) -> Snapshot:
    """Return the snapshot without the files at `paths`; the next load reads them again."""

    def keep(documents: Mapping[str, Document]) -> dict[str, Document]:
        return {path: each for path, each in documents.items() if path not in paths}

    if not paths:
        return snapshot
    roles = {
        role: replace(each, documents=keep(each.documents), is_whole=False)
        for role, each in snapshot.roles.items()
        if not each.documents.keys().isdisjoint(paths)
    }
    log = snapshot.log
    if not log.documents.keys().isdisjoint(paths):
        log = replace(log, documents=keep(log.documents), versions={})
    documents = keep(snapshot.documents)
    return replace(snapshot, documents=documents, roles={**snapshot.roles, **roles}, log=log)


def _versions(paths: set[str]) -> set[tuple[str, int]]:
    """Return role and version of each metadata file or proof among `paths`."""
    versions = set()
    for path in paths:
        if path.startswith(_PROOF):
            role, _, version = path.removeprefix(_PROOF).rpartition(".")
            versions.add((role, int(version)))
        elif (match := VERSIONED.fullmatch(path)) is not None:
            versions.add((match[2], int(match[1])))
    return versions


def _is_verified(role: str, version: int, snapshot: Snapshot, trusted: Trusted) -> bool:
    """Return whether `verify_snapshot` has verified the signatures of this version."""
    if role == "root":
        return version > trusted.pinned
    return snapshot.current.get(role) == version


def _find_logged(
    role: str,
    version: int,
    documents: Mapping[str, Document],
    proofs: Proofs,
    *,
    is_verified: bool,
) -> Iterator[str]:
    """Yield the path of a version, and of its proof, if they do not verify."""
    path, proof_path = _metadata(role, version), f"{_PROOF}{role}.{version}"
    metadata, proof = documents.get(path), documents.get(proof_path)
    body = b"" if proof is None else proof.identity.body
    if metadata is not None:
        sha256 = hashlib.sha256(metadata.identity.body).hexdigest()
        if proofs.is_shown(body, encode_leaf(role, version, sha256)):
            return
        if not is_verified:
            yield path
    if proof is None:
        return
    # Verified metadata is what was signed, so a proof of other bytes is useless.
    entry = b"" if is_verified else proofs.read_entry(body)
    if not _is_of(entry, role, version) or not proofs.is_shown(body, entry):
        yield proof_path


def _is_of(entry: bytes, role: str, version: int) -> bool:
    try:
        return decode_leaf(entry)[:2] == (role, version)
    except FormatError:
        return False


def _read_roots(documents: Mapping[str, Document], altered: Collection[str]) -> list[Root]:
    """Return the roots that are not among `altered`, the newest first."""
    matches = (VERSIONED.fullmatch(path) for path in documents.keys() - altered)
    versions = sorted((int(m[1]) for m in matches if m and m[2] == "root"), reverse=True)
    return [
        decode_root(documents[_metadata("root", version)].identity.body).signed
        for version in versions
    ]


def _is_signed(version: int, documents: Mapping[str, Document], roots: Collection[Root]) -> bool:
    """Return whether a version of `snapshot` is signed as one of `roots` requires."""
    data = documents[_metadata("snapshot", version)].identity.body
    for root in roots:
        with contextlib.suppress(FormatError, TrustError):
            return bool(verify_role("snapshot", data, root, None).signed.version == version)
    return False


def _metadata(role: str, version: int) -> str:
    return f"/metadata/{metadata_name(role, version)}"
