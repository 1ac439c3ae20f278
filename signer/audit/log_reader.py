"""Reads the log: tiles and their hashes, bundles of leaves, and the entry in a leaf."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.core.checkpoint import MAX_LEAF, encode_leaf
from server.core.encodings import decode_decimal
from server.core.errors import HeningError
from server.core.tiles import WIDTH, tile_path
from server.core.tlog import EMPTY_ROOT, leaf_hash, node_hash, tree_hash
from signer.audit.findings import AnswerError
from signer.audit.mirror import Mirror

MAX_BUNDLE = WIDTH * (2 + MAX_LEAF)


@dataclass(frozen=True, slots=True)
class Entry:
    """A logged role version, and the sha256 of its file."""

    role: str
    version: int
    sha256: str


def decode_bundle(data: bytes) -> list[bytes]:
    """Split an entry bundle into its leaves, each preceded by its length in two bytes.

    Raises AnswerError for an empty leaf, for one of more than 160 bytes, and for trailing bytes.
    """
    leaves = []
    position = 0
    while position < len(data):
        length = int.from_bytes(data[position : position + 2])
        leaf = data[position + 2 : position + 2 + length]
        if not 1 <= length <= MAX_LEAF or len(leaf) != length:
            raise AnswerError("an entry bundle is malformed.")
        leaves.append(leaf)
        position += 2 + length
    return leaves


def decode_entry(leaf: bytes) -> Entry:
    """Decode a leaf; raises AnswerError unless `encode_leaf` writes exactly these bytes."""
    try:
        _, role, version, sha256, _ = leaf.decode("ascii").split("\n")
        entry = Entry(role, decode_decimal(version), sha256)
        is_canonical = encode_leaf(entry.role, entry.version, entry.sha256) == leaf
    except (ValueError, HeningError) as error:
        raise AnswerError("a leaf of the log is not that of a role version.") from error
    if not is_canonical or entry.version == 0:
        raise AnswerError("a leaf of the log is not that of a role version.")
    return entry


_LEVEL_BITS = 8
_HASH = 32
_CACHED = 256  # tiles of 8 KiB


class Tiles:
    """Reads the tiles that belong to a checkpoint of `size` leaves."""

    def __init__(self, mirror: Mirror, size: int) -> None:
        self._mirror = mirror
        self._size = size
        self._cache: dict[tuple[int, int], bytes] = {}

    def leaves(self, index: int) -> list[bytes]:
        """Return the leaves of entry bundle `index`: 256, or fewer in the last bundle."""
        width = min(WIDTH, self._size - index * WIDTH)
        path, data = self._fetch("entries", index, width, MAX_BUNDLE)
        leaves = decode_bundle(data)
        if len(leaves) < width:
            raise AnswerError(f"{path} holds {len(leaves)} entries; the log has {width} there.")
        return leaves[:width]

    def node(self, height: int, index: int) -> bytes:
        """Return the hash of perfect subtree number `index` of those with 2**height leaves."""
        level, within = divmod(height, _LEVEL_BITS)
        tile, first = divmod(index << within, WIDTH)
        data = self._tile(level, tile)
        last = first + (1 << within)
        return tree_hash([data[i * _HASH : (i + 1) * _HASH] for i in range(first, last)])

    def hash_of(self, begin: int, end: int) -> bytes:
        """Return MTH of the leaves `begin` to `end`, a subtree as RFC 6962 splits it."""
        size = end - begin
        height = size.bit_length() - 1
        if size == 1 << height:
            return self.node(height, begin >> height)
        split = begin + (1 << height)
        return node_hash(self.hash_of(begin, split), self.hash_of(split, end))

    def consistency_proof(self, old_size: int) -> list[bytes]:
        """Return PROOF(old_size, D[size]) of RFC 6962 section 2.1.2, from tiles alone."""
        return self._subproof(old_size, 0, self._size, is_whole=True)

    def first_difference(self, index: int, leaves: Sequence[bytes]) -> int | None:
        """Return the first leaf of bundle `index` whose hash differs from the hash tile, if any."""
        data = self._tile(0, index)
        for place, leaf in enumerate(leaves):
            if leaf_hash(leaf) != data[place * _HASH : (place + 1) * _HASH]:
                return index * WIDTH + place
        return None

    def _subproof(self, old_end: int, begin: int, end: int, *, is_whole: bool) -> list[bytes]:
        if old_end == end:
            return [] if is_whole else [self.hash_of(begin, end)]
        split = begin + (1 << (end - begin - 1).bit_length() - 1)
        if old_end <= split:
            inner = self._subproof(old_end, begin, split, is_whole=is_whole)
            return [*inner, self.hash_of(split, end)]
        inner = self._subproof(old_end, split, end, is_whole=False)
        return [*inner, self.hash_of(begin, split)]

    def _tile(self, level: int, index: int) -> bytes:
        known = self._cache.get((level, index))
        if known is not None:
            return known
        width = min(WIDTH, (self._size >> level * _LEVEL_BITS) - index * WIDTH)
        path, data = self._fetch(level, index, width, WIDTH * _HASH)
        if len(data) < width * _HASH or len(data) % _HASH:
            raise AnswerError(f"{path} does not hold {width} hashes.")
        if len(self._cache) == _CACHED:
            self._cache.clear()
        self._cache[level, index] = data
        return data

    def _fetch(self, level: int | str, index: int, width: int, limit: int) -> tuple[str, bytes]:
        """Fetch a tile, or the full tile if the mirror no longer has the partial one."""
        path = f"/log/{tile_path(level, index, width)}"
        data = self._mirror.fetch(path, limit)
        if data is None and width < WIDTH:
            data = self._mirror.fetch(f"/log/{tile_path(level, index, WIDTH)}", limit)
        if data is None:
            raise AnswerError(f"{path} is missing, although the signed log has it.")
        return path, data


class CompactRange:
    """The Merkle tree of the first `size` leaves, stored as the roots of its perfect subtrees."""

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        """Start from `hashes`, one of 32 bytes for each bit that is set in `size`."""
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
