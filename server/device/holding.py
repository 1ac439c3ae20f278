"""Which files of a snapshot are not as they were signed, and the snapshot without them.

`trust` verifies what the timestamp leads to, and nothing is served where that does not hold. This
is about the rest. Every version of a role is in the log, and its proof shows with which octets:
both are held against each other, and proofs of versions that are not served against the log's
entries. Superseded versions of `snapshot`, which is not logged, need the key that a root names.
The checkpoint needs the log's key.

What does not hold is left out, of a version and a proof that do not fit mostly both, and the others
are served on: one rotten file that phones hardly ask for must not keep a halt from all of them. A
version that is left out is answered like one that is not kept any more (410), after which a phone
begins anew; a proof or the checkpoint is not there (404). Pure.
"""

import contextlib
import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from tuf.api.metadata import Root

from server.core.checkpoint import decode_leaf, encode_leaf
from server.core.errors import FormatError, TrustError
from server.core.metadata import decode_root, verify_role
from server.core.names import metadata_name
from server.core.profile import log_verifier
from server.device.documents import Document
from server.device.language import VERSIONED
from server.device.proofs import Proofs
from server.device.snapshot import Snapshot
from server.device.trust import Trusted

_CHECKPOINT = "/log/checkpoint"
_PROOF = "/log/proof/"


def find_altered(snapshot: Snapshot, previous: Snapshot, trusted: Trusted) -> frozenset[str]:
    """Return the paths of what does not hold, given what `verify_snapshot` returned.

    Files that `previous` has as well were held, and are not looked at again.
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
    """Return the snapshot without the files at `paths`; the next one looks for them again."""

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
    """Answer whether `verify_snapshot` has verified this version by its signatures."""
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
    """Yield which of a version and its proof does not hold."""
    path, proof_path = _metadata(role, version), f"{_PROOF}{role}.{version}"
    metadata, proof = documents.get(path), documents.get(proof_path)
    shown = b"" if proof is None else proof.identity.body
    if metadata is not None:
        sha256 = hashlib.sha256(metadata.identity.body).hexdigest()
        if proofs.is_shown(shown, encode_leaf(role, version, sha256)):
            return
        if not is_verified:
            yield path
    if proof is None:
        return
    # What is verified is what was signed, so that a proof of other octets is of no use.
    entry = b"" if is_verified else proofs.read_entry(shown)
    if not _is_of(entry, role, version) or not proofs.is_shown(shown, entry):
        yield proof_path


def _is_of(entry: bytes, role: str, version: int) -> bool:
    try:
        return decode_leaf(entry)[:2] == (role, version)
    except FormatError:
        return False


def _read_roots(documents: Mapping[str, Document], altered: Collection[str]) -> list[Root]:
    """Return the roots that hold, the newest first."""
    matches = (VERSIONED.fullmatch(path) for path in documents.keys() - altered)
    versions = sorted((int(m[1]) for m in matches if m and m[2] == "root"), reverse=True)
    return [
        decode_root(documents[_metadata("root", version)].identity.body).signed
        for version in versions
    ]


def _is_signed(version: int, documents: Mapping[str, Document], roots: Collection[Root]) -> bool:
    """Answer whether a version of `snapshot` is signed as any of `roots` asks for."""
    data = documents[_metadata("snapshot", version)].identity.body
    for root in roots:
        with contextlib.suppress(FormatError, TrustError):
            return bool(verify_role("snapshot", data, root, None).signed.version == version)
    return False


def _metadata(role: str, version: int) -> str:
    return f"/metadata/{metadata_name(role, version)}"
