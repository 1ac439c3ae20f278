"""How a log grows: which files follow from its signed head and the rows that came after it. Pure.

`grow` starts from the tiles that are public and reads the few that lie on the way; `regrow` starts
from nothing and needs every entry. Both hold what they start from against the signed root.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from server.core.checkpoint import MAX_LEAF, Checkpoint
from server.core.errors import LogError
from server.core.growing_tree import GrowingTree, ReadTile
from server.core.tiles import WIDTH, changed_tiles, decode_entries, encode_entries, tile_path
from server.core.tlog import leaf_hash

MAX_TILE = WIDTH * (MAX_LEAF + 2)
"""Octets of the largest tile: one of entries, each with its length in two octets."""


@dataclass(frozen=True, slots=True)
class Growth:
    """The grown tree, and path and octets of the tiles that it needs and may not have.

    `is_new` tells whether it has leaves that the signed head does not speak of.
    """

    tree: GrowingTree
    tiles: Iterable[tuple[str, bytes]]
    is_new: bool


@dataclass(frozen=True, slots=True)
class SignedLeaves:
    """Entries of a signed log from the index `first` to its end, and its root if there are any."""

    first: int
    entries: Sequence[bytes]
    root: bytes


def tail_start(size: int) -> int:
    """Return the index of the first leaf in the last entry tile of a log of `size` leaves."""
    return max(0, size - 1) // WIDTH * WIDTH


def read_entries(size: int, first: int, read: ReadTile) -> list[bytes]:
    """Return the entries of a public log of `size` leaves from the index `first` on.

    Raises FormatError for tiles that do not have them, and what `read` raises.
    """
    entries = list[bytes]()
    for index, width in changed_tiles(size, first):
        tile = decode_entries(read(tile_path("entries", index, width)), width)
        entries += tile[max(0, first - index * WIDTH) :]
    return entries


def grow(head: Checkpoint | None, tail: Sequence[bytes], read: ReadTile) -> Growth:
    """Grow the log of `head` by its new entries; `tail` are all entries from its `tail_start` on.

    Raises LogError unless the tiles lead to the signed root and the entries are those of the last
    entry tile. `read` may raise what reading a file raises.
    """
    size = 0 if head is None else head.size
    tree = GrowingTree(size, read)
    first = tail_start(size)
    if head is not None:
        if tree.root() != head.root:
            raise LogError("the tiles do not lead to the signed root.")
        signed = tail[: size - first]
        if size and read(tile_path("entries", first // WIDTH, len(signed))) != encode_entries(
            signed
        ):
            raise LogError("the last entry tile does not hold the database's leaves.")
    for entry in tail[size - first :]:
        tree.append(leaf_hash(entry))
    return Growth(tree, _new_tiles(tree, tail, first, size), tree.size != size)


def regrow(head: Checkpoint | None, entries: Sequence[bytes]) -> Growth:
    """Grow the log anew from all its entries.

    Raises LogError unless those that `head` speaks of lead to its root.
    """
    tree = GrowingTree(0, _read_nothing)
    size = 0 if head is None else head.size
    for entry in entries[:size]:
        tree.append(leaf_hash(entry))
    if head is not None and tree.root() != head.root:
        raise LogError(
            "the database's leaves do not lead to the signed root: restore both from one moment."
        )
    # Readers may hold the signed head for a while, and its partial tiles with it.
    tiles = list(_new_tiles(tree, entries[:size], 0, 0))
    for entry in entries[size:]:
        tree.append(leaf_hash(entry))
    tiles += _new_tiles(tree, entries, 0, 0)
    return Growth(tree, tiles, tree.size != size)


def _new_tiles(
    tree: GrowingTree, entries: Sequence[bytes], first: int, since: int
) -> Iterator[tuple[str, bytes]]:
    """Yield the tiles; `entries` begin at leaf `first`, `since` leaves have theirs."""
    for index, width in changed_tiles(tree.size, since):
        start = index * WIDTH - first
        yield (
            tile_path("entries", index, width),
            encode_entries(entries[start : start + width]),
        )
    yield from tree.new_tiles()


def _read_nothing(path: str) -> bytes:
    raise LogError(f"{path} is not written yet.")
