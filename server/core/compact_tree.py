"""A Merkle tree of which only the roots of its perfect subtrees are kept: it grows, and has a root.

What RFC 6962 section 2.1 calls MTH is a fold of them: a tree of 11 leaves has subtrees of 8, 2 and
1.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from server.core.errors import FormatError
from server.core.tlog import EMPTY_ROOT, node_hash


@dataclass(frozen=True, slots=True)
class CompactTree:
    """A tree of `size` leaves; `subtrees` are 32-byte roots, that of the largest subtree first.

    Raises FormatError for subtrees that no tree of that size has.
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
        """Return the tree with the hashes of further leaves at its end."""
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
