"""The signed checkpoints that the mirror hands out: its own, and those stapled to proofs.

All of them are statements of one log, so each must be of a prefix of the largest.
"""

from dataclasses import dataclass

from server.core.checkpoint import (
    MAX_PROOF,
    Checkpoint,
    decode_checkpoint,
    decode_proof,
    encode_leaf,
    verify_proof,
)
from server.core.note import MAX_NOTE, VerifierKey
from server.core.tlog import EMPTY_ROOT, verify_consistency
from signer.audit.errors import AnswerError
from signer.audit.findings import Findings, Kind
from signer.audit.mirror import Mirror
from signer.audit.published import Published
from signer.audit.tiles import Tiles

CHECKPOINT = "/log/checkpoint"


@dataclass(frozen=True, slots=True)
class Head:
    """A signed checkpoint: its octets, what they say, and where they were found."""

    place: str
    note: bytes
    size: int
    root: bytes


def read_checkpoint(mirror: Mirror, key: VerifierKey) -> Head:
    """Return the mirror's own checkpoint.

    Raises AnswerError where there is none, and an error of the core where `key` did not sign it.
    """
    note = mirror.fetch(CHECKPOINT, MAX_NOTE)
    if note is None:
        raise AnswerError(f"{CHECKPOINT} is not on the mirror.")
    return _head(CHECKPOINT, note, decode_checkpoint(note, key))


def read_stapled(
    mirror: Mirror, published: Published, key: VerifierKey, findings: Findings
) -> list[Head]:
    """Return the checkpoints of the proofs of all current versions that verify.

    Each is verified against the octets that the mirror serves for the version.
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
            stapled.append(_head(place, decode_proof(data).checkpoint, checkpoint))
    return stapled


def check_prefix(tiles: Tiles, old: Head, new: Head, findings: Findings) -> None:
    """Note it as equivocation when the tree of `old` is no prefix of the tree of `new`.

    The evidence is complete: both signed checkpoints, and a consistency proof from the root that
    the old size has in the new tree, which differs from the signed one. Where the tiles do not lead
    to `new`, nothing is proven, and that is the finding.
    """
    with findings.catching(Kind.LOG, checkpoints=[show(old), show(new)]):
        proof: list[bytes] = []
        root = new.root if old.size else EMPTY_ROOT
        if 0 < old.size < new.size:
            root = tiles.hash_of(0, old.size)
            proof = tiles.consistency_proof(old.size)
            verify_consistency(old.size, root, new.size, new.root, proof)
        if root != old.root:
            _report_fork(old, new, root, proof, findings)


def _report_fork(old: Head, new: Head, root: bytes, proof: list[bytes], findings: Findings) -> None:
    findings.add(
        Kind.EQUIVOCATION,
        f"The log has signed two histories: the tree of {old.size} ({old.place}) is no beginning"
        f" of the tree of {new.size} ({new.place}).",
        checkpoints=[show(old), show(new)],
        consistency_proof=[each.hex() for each in proof],
        root_in_larger_tree=root.hex(),
    )


def show(head: Head) -> str:
    """Return the signed octets of a checkpoint as text, which a verified note is."""
    return head.note.decode()


def _head(place: str, note: bytes, checkpoint: Checkpoint) -> Head:
    return Head(place, note, checkpoint.size, checkpoint.root)
