"""Decides which checkpoints the key process signs. Pure: returns a log or raises an error.

A larger log is computed here from its new leaves, each of which must be of a publication that was
signed here. A smaller one is signed again, because a new key of the log signs every proof.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from server.core.checkpoint import (
    Checkpoint,
    decode_checkpoint_of_any,
    decode_checkpoint_text,
    decode_leaf,
)
from server.core.errors import FormatError, LogError
from server.core.note import VerifierKey
from server.core.tlog import CompactTree, leaf_hash, verify_consistency


@dataclass(frozen=True, slots=True)
class SignedLog:
    """The largest signed log, and the entries that may be its next leaves."""

    tree: CompactTree
    expected: tuple[bytes, ...]


class UnexpectedLeafError(LogError):
    """A leaf of a log is of no publication that was signed here."""


def judge_checkpoint(
    text: bytes,
    key: VerifierKey,
    log: SignedLog,
    leaves: Sequence[bytes],
    proof: Sequence[bytes],
) -> SignedLog:
    """Return the log once the checkpoint `text` is signed.

    A larger tree has `leaves` as its new entries: each must be expected, and occurs once. A tree
    that is not larger must be of one history with the signed one, as `proof` shows.

    Raises FormatError for a malformed text, UnexpectedLeafError for other leaves, and LogError for
    anything else that is not signed.
    """
    try:
        checkpoint = decode_checkpoint_text(text.decode(), key)
    except UnicodeDecodeError as error:
        raise FormatError("a checkpoint is not UTF-8.") from error
    if not checkpoint.size:
        raise LogError("a log without leaves is not signed: nothing could continue it.")
    if checkpoint.size > log.tree.size:
        return _grow(checkpoint, log, leaves)
    try:
        verify_consistency(checkpoint.size, checkpoint.root, log.tree.size, log.tree.root(), proof)
    except LogError as error:
        raise _fork(checkpoint, log) from error
    return log


def judge_continuation(
    note: bytes, keys: Sequence[VerifierKey], log: SignedLog, leaves: Sequence[bytes]
) -> SignedLog:
    """Return the log of a checkpoint that any of `keys` has signed already, perhaps elsewhere.

    `leaves` are its entries after those of the log. Raises FormatError, and LogError for a
    checkpoint that no key has signed or that does not continue the log.
    """
    checkpoint = decode_checkpoint_of_any(note, keys)
    tree = log.tree.grow(leaf_hash(entry) for entry in leaves)
    if (tree.size, tree.root()) != (checkpoint.size, checkpoint.root) or not leaves:
        raise _fork(checkpoint, log)
    for entry in leaves:
        decode_leaf(entry)
    logged = set(leaves)
    return SignedLog(tree, tuple(entry for entry in log.expected if entry not in logged))


def _grow(checkpoint: Checkpoint, log: SignedLog, leaves: Sequence[bytes]) -> SignedLog:
    expected = dict.fromkeys(log.expected)
    for entry in leaves:
        if entry not in expected:
            leaf = entry.decode("ascii", "replace").replace("\n", " ").strip()
            raise UnexpectedLeafError(
                f"the new leaf `{leaf}` of the log is of no publication that was signed here, or is"
                " logged already."
            )
        del expected[entry]
    tree = log.tree.grow(leaf_hash(entry) for entry in leaves)
    if (tree.size, tree.root()) != (checkpoint.size, checkpoint.root):
        raise _fork(checkpoint, log)
    return SignedLog(tree, tuple(expected))


def _fork(checkpoint: Checkpoint, log: SignedLog) -> LogError:
    return LogError(
        f"a log of {checkpoint.size} leaves and the {log.tree.size} leaves that were signed are not"
        " of one history, and two are never signed: restore public/log from a newer copy, such as"
        " a mirror's, and run `hening-server rebuild`; if there is none, see"
        " docs/how-to/lost-leaves.md."
    )
