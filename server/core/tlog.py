"""The Merkle trees of RFC 6962 section 2.1, recursive as in the RFC.

Trees are given as sequences of 32-byte leaf hashes; a proof is a list of hashes from leaf to root.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from server.core.errors import FormatError, LogError

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Return SHA-256(00 ∥ entry)."""
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(01 ∥ left ∥ right)."""
    return hashlib.sha256(b"\1" + left + right).digest()


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """Return MTH of the leaf hashes; without leaves, the hash of the empty string."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = _split(len(leaves))
    return node_hash(tree_hash(leaves[:split]), tree_hash(leaves[split:]))


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Raise LogError unless `proof` shows `leaf` at `index` of the tree of `size` with `root`."""
    if not 0 <= index < size:
        raise LogError(f"there is no leaf {index} in a tree of {size}.")
    if _root_from(leaf, index, size, list(proof)) != root:
        raise LogError("an inclusion proof does not lead to the signed root.")


def verify_consistency(
    old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> None:
    """Raise LogError unless `proof` shows that the tree of `size` continues that of `old_size`.

    Between equal sizes the proof is empty. The empty tree is not a provable prefix.
    """
    if not 0 < old_size <= size:
        raise LogError(f"a tree of {size} has no prefix of {old_size}.")
    rest = list(proof)
    roots = _roots_from(old_size, size, rest, old_root)
    if rest:
        raise LogError("a consistency proof is longer than its tree is deep.")
    if roots != (old_root, root):
        raise LogError("a consistency proof does not lead to both signed roots.")


def _root_from(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    if size == 1:
        if proof:
            raise LogError("an inclusion proof is longer than its tree is deep.")
        return leaf
    if not proof:
        raise LogError("an inclusion proof is shorter than its tree is deep.")
    sibling = proof.pop()
    split = _split(size)
    if index < split:
        return node_hash(_root_from(leaf, index, split, proof), sibling)
    return node_hash(sibling, _root_from(leaf, index - split, size - split, proof))


def _roots_from(
    old_size: int, size: int, proof: list[bytes], whole: bytes | None
) -> tuple[bytes, bytes]:
    """Return the roots of both trees; `whole` is the old tree's root while that is a subtree."""
    if old_size == size and whole is not None:
        return whole, whole
    if not proof:
        raise LogError("a consistency proof is shorter than its tree is deep.")
    sibling = proof.pop()
    if old_size == size:
        return sibling, sibling
    split = _split(size)
    if old_size <= split:
        old, new = _roots_from(old_size, split, proof, whole)
        return old, node_hash(new, sibling)
    old, new = _roots_from(old_size - split, size - split, proof, None)
    return node_hash(sibling, old), node_hash(sibling, new)


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


@dataclass(frozen=True, slots=True)
class CompactTree:
    """A tree of `size` leaves as the 32-byte roots of its perfect subtrees, the largest first.

    Raises FormatError unless `size` leaves have that many subtrees.
    """

    size: int = 0
    subtrees: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size.bit_count() != len(self.subtrees) or any(
            len(root) != len(EMPTY_ROOT) for root in self.subtrees
        ):
            raise FormatError(
                f"a tree of {self.size} leaves has {self.size.bit_count()} perfect subtrees with"
                " roots of 32 bytes."
            )

    def grow(self, leaves: Iterable[bytes]) -> "CompactTree":
        """Return the tree with more leaf hashes appended."""
        size, subtrees = self.size, list(self.subtrees)
        for leaf in leaves:
            subtrees.append(leaf)
            size += 1
            for _ in range((size & -size).bit_length() - 1):
                right = subtrees.pop()
                subtrees[-1] = node_hash(subtrees[-1], right)
        return CompactTree(size, tuple(subtrees))

    def root(self) -> bytes:
        """Return the root of the whole tree."""
        if not self.subtrees:
            return EMPTY_ROOT
        *others, root = self.subtrees
        for left in reversed(others):
            root = node_hash(left, root)
        return root
