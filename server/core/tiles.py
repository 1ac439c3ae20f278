"""The tiles of a log: their paths and content.

Source: C2SP tlog-tiles. A tile has up to 256 hashes, levels are 0 to 63, and the index in a path is
in groups of three digits.
"""

import struct
from collections.abc import Callable, Iterator, Sequence

from server.core.errors import FormatError, LogError
from server.core.tlog import EMPTY_ROOT, node_hash, tree_hash

WIDTH = 256


def tile_path(level: int | str, index: int, width: int) -> str:
    """Return a tile's path below `log/`; `level` is a number or `entries`."""
    groups: list[str] = []
    while True:
        index, group = divmod(index, 1000)
        groups.append(f"{group:03}" if not groups else f"x{group:03}")
        if index == 0:
            break
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"


def encode_entries(entries: Sequence[bytes]) -> bytes:
    """Return the bytes of an entry tile: each entry after its length in two bytes."""
    return b"".join(struct.pack(">H", len(entry)) + entry for entry in entries)


def decode_entries(data: bytes, width: int) -> list[bytes]:
    """Return the `width` entries of an entry tile; raises FormatError for any other bytes."""
    entries, at = list[bytes](), 0
    while at < len(data) and len(entries) < width:
        length = int.from_bytes(data[at : at + 2], "big")
        entries.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    if len(entries) != width or encode_entries(entries) != data:
        raise FormatError(f"an entry tile does not hold {width} entries.")
    return entries


def changed_tiles(size: int, since: int) -> Iterator[tuple[int, int]]:
    """Yield index and width of one level's tiles that change from `since` to `size` hashes."""
    if size == since:
        return
    for index in range(since // WIDTH, -(-size // WIDTH)):
        yield index, min(WIDTH, size - index * WIDTH)


LEVEL_BITS = 8  # a tile of 256 hashes is a perfect subtree of 8 levels
HASH = 32  # bytes
ReadTile = Callable[[str], bytes]
"""Returns the bytes of the tile at a path below `log/`."""


class GrowingTree:
    """A tree that grows by appending leaves; `read` returns the tiles of its first `size` ones."""

    def __init__(self, size: int, read: ReadTile) -> None:
        self._base = size
        self._read = read
        self._tiles: dict[tuple[int, int], list[bytes]] = {}
        self.size = size

    def append(self, leaf: bytes) -> None:
        """Append a leaf's hash; each tile that becomes full adds a hash to the level above."""
        level, index, value = 0, self.size, leaf
        while True:
            tile = self._tile(level, index // WIDTH)
            tile.append(value)
            if len(tile) < WIDTH:
                break
            level, index, value = level + 1, index // WIDTH, tree_hash(tile)
        self.size += 1

    def root(self) -> bytes:
        """Return the current root of the tree."""
        return self._subtree(0, self.size) if self.size else EMPTY_ROOT

    def inclusion_proof(self, index: int) -> list[bytes]:
        """Return PATH(index) of RFC 6962 section 2.1.1; raises LogError without such a leaf."""
        if not 0 <= index < self.size:
            raise LogError(f"there is no leaf {index} in a tree of {self.size}.")
        first, size, path = 0, self.size, list[bytes]()
        while size > 1:
            split = 1 << (size - 1).bit_length() - 1
            if index < first + split:
                path.append(self._subtree(first + split, size - split))
                size = split
            else:
                path.append(self._subtree(first, split))
                first, size = first + split, size - split
        return path[::-1]

    def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """Return PROOF(old, D[new]) of RFC 6962 section 2.1.2 for the first `new` leaves.

        Raises LogError unless 0 < `old` <= `new` <= the tree's size.
        """
        if not 0 < old <= new <= self.size:
            raise LogError(
                f"a tree of {self.size} has no consistency proof from {old} to {new} leaves."
            )
        first, size, path, is_whole = 0, new, list[bytes](), True
        while old != size:
            split = 1 << (size - 1).bit_length() - 1
            if old <= split:
                path.append(self._subtree(first + split, size - split))
                size = split
            else:
                path.append(self._subtree(first, split))
                first, old, size, is_whole = first + split, old - split, size - split, False
        if not is_whole:
            path.append(self._subtree(first, size))
        return path[::-1]

    def new_tiles(self) -> Iterator[tuple[str, bytes]]:
        """Yield path and bytes of the hash tiles that the appended leaves have changed."""
        level = 0
        while self.size >> level * LEVEL_BITS:
            width, before = self.size >> level * LEVEL_BITS, self._base >> level * LEVEL_BITS
            for index, length in changed_tiles(width, before):
                yield tile_path(level, index, length), b"".join(self._tile(level, index))
            level += 1

    def _subtree(self, first: int, size: int) -> bytes:
        """Return the root of the subtree of `size` leaves that begins at `first`."""
        if size & (size - 1) == 0:
            return self._full_subtree(first, size.bit_length() - 1)
        split = 1 << (size - 1).bit_length() - 1
        return node_hash(self._subtree(first, split), self._subtree(first + split, size - split))

    def _full_subtree(self, first: int, height: int) -> bytes:
        level, bits = divmod(height, LEVEL_BITS)
        index = first >> level * LEVEL_BITS
        tile, start = self._tile(level, index // WIDTH), index % WIDTH
        return tree_hash(tile[start : start + (1 << bits)])

    def _tile(self, level: int, index: int) -> list[bytes]:
        """Return the hashes of a tile; the published ones are read once."""
        known = self._tiles.get((level, index))
        if known is not None:
            return known
        width = min(WIDTH, max(0, (self._base >> level * LEVEL_BITS) - index * WIDTH))
        data = self._read(tile_path(level, index, width)) if width else b""
        if len(data) != width * HASH:
            raise LogError(f"a tile of {width} hashes has {len(data)} bytes.")
        tile = [data[at : at + HASH] for at in range(0, len(data), HASH)]
        self._tiles[level, index] = tile
        return tile
