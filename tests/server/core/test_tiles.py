"""Tiles, and trees that grow from them, compared with the definition and the phone's code."""

import hashlib
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.device import tlog as phone
from server.core.errors import FormatError, LogError
from server.core.tiles import GrowingTree, decode_entries, tile_path
from server.core.tlog import tree_hash, verify_consistency, verify_inclusion
from tests.cases import case

LEAVES = [hashlib.sha256(b"\0entry %d" % number).digest() for number in range(66_100)]
#: Every shape of a tree of up to 64 leaves, and larger ones around the borders of a level.
PROVEN = {*range(1, 65), 96, 127, 128, 129, 192, 254, 255, 256}


def test_tile_paths():
    """Paths have groups of three digits, `x` before all but the last, and partial widths."""
    for path, tile in {
        "tile/0/x001/x234/067": (0, 1_234_067, 256),
        "tile/0/000": (0, 0, 256),
        "tile/0/999": (0, 999, 256),
        "tile/0/x001/000": (0, 1000, 256),
        "tile/0/273.p/112": (0, 273, 112),
        "tile/1/001.p/17": (1, 1, 17),
        "tile/2/000.p/1": (2, 0, 1),
        "tile/entries/x001/x000/000.p/255": ("entries", 1_000_000, 255),
    }.items():
        assert tile_path(*tile) == path


def test_entry_bundles_are_decoded():
    """Each entry follows its length in two big-endian bytes; incomplete bundles are refused."""
    assert decode_entries(b"\0\3abc\0\0\0\1d", 3) == [b"abc", b"", b"d"]
    assert decode_entries(b"\1\0" + b"x" * 256, 1) == [b"x" * 256]
    bad = [
        *((b"", 1), (b"\0\3abc", 2), (b"\0\3abc\0\1d", 1), (b"\0\3ab", 1), (b"\0", 1)),
        (b"\0\1dx", 1),
    ]
    for data, width in bad:
        with case(data), pytest.raises(FormatError, match=f"does not hold {width} entries"):
            decode_entries(data, width)


@cache
def full_root(level, index):
    """Return the root of the leaves below a hash of a level."""
    if level == 0:
        return LEAVES[index]
    return tree_hash([full_root(level - 1, 256 * index + number) for number in range(256)])


def tiles_of(size):
    """Return the hash tiles of the first leaves, by the definition of C2SP tlog-tiles."""
    tiles, level = {}, 0
    while size:
        hashes = [full_root(level, index) for index in range(size)]
        for first in range(0, size, 256):
            part = hashes[first : first + 256]
            width = "" if len(part) == 256 else f".p/{len(part)}"
            tiles[f"tile/{level}/{first // 256:03}{width}"] = b"".join(part)
        level, size = level + 1, size // 256
    return tiles


@cache
def all_tiles():
    """Return the hash tiles of all leaves."""
    return tiles_of(len(LEAVES))


def no_tile(path):
    """Fail: these trees have no tiles yet."""
    raise AssertionError(path)


def test_inclusion_proofs_of_small_trees():
    """The phone's code accepts each inclusion proof of small trees."""
    grown, stack = GrowingTree(0, no_tile), []
    for size in range(1, 257):
        grown.append(LEAVES[size - 1])
        stack.append(LEAVES[size - 1])
        rest = size
        while rest % 2 == 0:
            right = stack.pop()
            stack[-1] = hashlib.sha256(b"\1" + stack[-1] + right).digest()
            rest //= 2
        root = stack[-1]
        for left in stack[-2::-1]:
            root = hashlib.sha256(b"\1" + left + root).digest()
        assert grown.root() == root
        checkpoint = phone.Checkpoint(size, root)
        for index in range(size) if size in PROVEN else ():
            proof = grown.inclusion_proof(index)
            phone.verify_inclusion(LEAVES[index], index, proof, checkpoint)
            verify_inclusion(LEAVES[index], index, size, proof, root)


def test_growth_writes_the_defined_tiles():
    """Between any two sizes, growth writes the tiles that the definition adds."""
    for size in [0, 1, 3, 255, 256, 257, 511, 512, 600]:
        for more in [0, 1, 2, 255, 256, 300]:
            with case(size, more):
                before, after = tiles_of(size), tiles_of(size + more)
                tree = GrowingTree(size, before.__getitem__)
                assert tree.root() == tree_hash(LEAVES[:size])
                for leaf in LEAVES[size : size + more]:
                    tree.append(leaf)
                assert tree.root() == tree_hash(LEAVES[: size + more])
                assert dict(tree.new_tiles()) == {p: d for p, d in after.items() if p not in before}


@pytest.mark.parametrize("size", [65_279, 65_535, 65_536, 65_791])
def test_growth_into_the_third_level(size):
    """Trees above 65,536 leaves use a third level, and proofs pass through all levels."""
    read = []
    before = tiles_of(size)

    def reader(path):
        read.append(path)
        return before[path]

    tree = GrowingTree(size, reader)
    for leaf in LEAVES[size : size + 3]:
        tree.append(leaf)
    root = tree_hash(LEAVES[: size + 3])
    assert tree.root() == root
    verify_inclusion(LEAVES[size + 1], size + 1, size + 3, tree.inclusion_proof(size + 1), root)
    assert len(set(read)) == len(read) < 8
    assert dict(tree.new_tiles()).items() <= tiles_of(size + 3).items()


@given(st.integers(1, 66_099), st.data())
def test_inclusion_proofs_from_a_larger_log(size, data):
    """Proofs for a smaller tree can be read from a larger log's tiles."""
    index = data.draw(st.integers(0, size - 1))
    tree = GrowingTree(size, read_tile)
    verify_inclusion(LEAVES[index], index, size, tree.inclusion_proof(index), tree.root())


def read_tile(path):
    """Return a tile of any width that the log has."""
    full, _, width = path.partition(".p/")
    if not width:
        return all_tiles()[full]
    data = all_tiles().get(full) or next(
        data for name, data in all_tiles().items() if name.startswith(f"{full}.p/")
    )
    return data[: int(width) * 32]


def test_consistency_proofs_verify():
    """Each consistency proof verifies between any two prefixes, and no other proof does."""
    roots = {size: tree_hash(LEAVES[:size]) for size in range(1, 301)}
    for size in (1, 2, 7, 8, 33, 255, 256, 257, 300):
        tree = GrowingTree(size, tiles_of(size).__getitem__)
        for new in {size, size - 1, 1, (size + 1) // 2} - {0}:
            for old in range(1, new + 1):
                with case(size, new, old):
                    proof = tree.consistency_proof(old, new)
                    verify_consistency(old, roots[old], new, roots[new], proof)


def test_proofs_outside_the_tree_are_refused():
    """Proofs for leaves or sizes outside the tree are refused."""
    tree = GrowingTree(3, tiles_of(3).__getitem__)
    for old, new in [(0, 3), (3, 2), (2, 4), (-1, 3), (4, 4)]:
        with pytest.raises(LogError, match="has no consistency proof"):
            tree.consistency_proof(old, new)
    for index in [-1, 3, 2**63]:
        with pytest.raises(LogError, match="no leaf"):
            tree.inclusion_proof(index)


def test_tiles_of_wrong_length_are_refused():
    """A tile with another length than 32 bytes per hash is refused."""
    for data in (b"", bytes(31), bytes(64), bytes(97)):
        with pytest.raises(LogError, match="a tile of 3 hashes"):
            GrowingTree(3, lambda _path, data=data: data).root()
