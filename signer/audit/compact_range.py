"""The root of a log that only grows, from one hash for each bit of its size.

What is kept are the roots of the largest perfect subtrees from left to right (RFC 6962 section
2.1), so that ten new entries in a log of a million need the ten entries and nothing else.
"""

from collections.abc import Sequence

from server.core.tlog import EMPTY_ROOT, node_hash


class CompactRange:
    """The tree of the first `size` leaves."""

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        """Start from `hashes`, one of 32 octets for each bit that is set in `size`."""
        self.size = size
        self._hashes = list(hashes)

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The roots of the perfect subtrees, the largest first."""
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> None:
        """Add a leaf's hash."""
        self._hashes.append(leaf)
        self.size += 1
        rest = self.size
        while rest % 2 == 0:
            right = self._hashes.pop()
            self._hashes[-1] = node_hash(self._hashes[-1], right)
            rest //= 2

    def root(self) -> bytes:
        """Return the root of the tree as it is now."""
        if not self._hashes:
            return EMPTY_ROOT
        *left, root = self._hashes
        for sibling in reversed(left):
            root = node_hash(sibling, root)
        return root
