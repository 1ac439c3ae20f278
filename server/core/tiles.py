"""Which tiles a log of a given size consists of, where they lie, and what they hold.

Source: C2SP tlog-tiles: 256 hashes a tile, levels 0 to 63, the index in groups of three digits.
"""

import struct
from collections.abc import Iterator, Sequence

from server.core.errors import FormatError
from server.core.tlog import tree_hash

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
    """Return the octets of an entry tile: each entry after its length in two octets."""
    return b"".join(struct.pack(">H", len(entry)) + entry for entry in entries)


def decode_entries(data: bytes, width: int) -> list[bytes]:
    """Return the `width` entries of an entry tile; raises FormatError for any other octets."""
    entries, at = list[bytes](), 0
    while at < len(data) and len(entries) < width:
        length = int.from_bytes(data[at : at + 2], "big")
        entries.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    if len(entries) != width or encode_entries(entries) != data:
        raise FormatError(f"an entry tile does not hold {width} entries.")
    return entries


def plan_tiles(
    entries: Sequence[bytes], leaves: Sequence[bytes], since: int
) -> Iterator[tuple[str, bytes]]:
    """Yield path and octets of the tiles that a tree has and its prefix of `since` has not."""
    size = len(leaves)
    for index, width in changed_tiles(size, since):
        part = entries[index * WIDTH : index * WIDTH + width]
        yield tile_path("entries", index, width), encode_entries(part)
    level, span = 0, 1
    while size // span:
        for index, width in changed_tiles(size // span, since // span):
            first = index * WIDTH
            hashes = [
                tree_hash(leaves[(first + i) * span : (first + i + 1) * span]) for i in range(width)
            ]
            yield tile_path(level, index, width), b"".join(hashes)
        level, span = level + 1, span * WIDTH


def changed_tiles(size: int, since: int) -> Iterator[tuple[int, int]]:
    """Yield index and width of the tiles of one level that `size` hashes have and `since` not."""
    if size == since:
        return
    for index in range(since // WIDTH, -(-size // WIDTH)):
        yield index, min(WIDTH, size - index * WIDTH)
