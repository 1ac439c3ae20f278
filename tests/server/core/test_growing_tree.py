"""Trees that grow from their tiles, compared with the definition, RFC 9162 and the phone."""

import hashlib
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.device import tlog as phone
from server.core.errors import LogError
from server.core.tiles import GrowingTree, plan_tiles
from server.core.tlog import inclusion_proof, tree_hash, verify_consistency, verify_inclusion
from tests.cases import case

ENTRIES = [b"entry %d" % number for number in range(66_100)]
LEAVES = [hashlib.sha256(b"\0" + entry).digest() for entry in ENTRIES]
#: Every shape of a tree of up to 64 leaves, and larger ones around the borders of a level.
PROVEN = {*range(1, 65), 96, 127, 128, 129, 192, 254, 255, 256}


@cache
def all_tiles():
    """Return the hash tiles of all leaves."""
    return tiles_of(len(LEAVES))


def nothing(path):
    """Refuse to read, for trees that have no tiles yet."""
    raise AssertionError(path)


def tiles_of(size):
    """Return the hash tiles of the first leaves, by the definition."""
    tiles = dict(plan_tiles(ENTRIES[:size], LEAVES[:size], 0))
    return {path: data for path, data in tiles.items() if "entries" not in path}


def test_every_proof_of_small_trees():
    """The phone's code accepts each proof, with the root of a stack of subtrees."""
    grown, stack = GrowingTree(0, nothing), []
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
        checkpoint = phone.Checkpoint("log", size, root)
        for index in range(size) if size in PROVEN else ():
            proof = grown.inclusion_proof(index)
            phone.verify_inclusion(LEAVES[index], index, proof, checkpoint)
            verify_inclusion(LEAVES[index], index, size, proof, root)


def test_growth_writes_the_tiles_of_the_definition():
    """For any two sizes, the new tiles are those that the definition adds."""
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


@pytest.mark.parametrize("size", [65_279, 65_280, 65_535, 65_536, 65_537, 65_791, 65_792, 66_000])
def test_growth_across_the_border_of_the_third_level(size):
    """One hash of level 2 stands for 65,536 leaves; proofs lead through all levels."""
    read = []
    before = tiles_of(size)

    def reader(path):
        read.append(path)
        return before[path]

    tree = GrowingTree(size, reader)
    for leaf in LEAVES[size : size + 3]:
        tree.append(leaf)
    leaves = LEAVES[: size + 3]
    assert tree.root() == tree_hash(leaves)
    assert tree.inclusion_proof(size + 1) == inclusion_proof(size + 1, leaves)
    assert len(set(read)) == len(read) < 8
    assert dict(tree.new_tiles()).items() <= tiles_of(size + 3).items()


@given(st.integers(1, 66_099), st.data())
def test_a_proof_of_a_published_leaf_is_that_of_the_definition(size, data):
    """Proofs are read from the tiles of a larger log; a smaller tree has its own partial tiles."""
    index = data.draw(st.integers(0, size - 1))
    tree = GrowingTree(size, _narrow)
    proof = tree.inclusion_proof(index)
    verify_inclusion(LEAVES[index], index, size, proof, tree.root())


def _narrow(path):
    """Return a tile of any width that the whole log has."""
    full, _, width = path.partition(".p/")
    if not width:
        return all_tiles()[full]
    data = all_tiles().get(full) or next(
        data for name, data in all_tiles().items() if name.startswith(f"{full}.p/")
    )
    return data[: int(width) * 32]


@pytest.mark.parametrize("size", [1, 2, 7, 8, 33, 255, 256, 257, 300])
def test_every_consistency_proof_is_that_of_the_definition(size):
    """For any prefix of the tree and any prefix of that; both verifiers accept it."""
    tree = GrowingTree(size, tiles_of(size).__getitem__)
    for new in {size, size - 1, 1, (size + 1) // 2} - {0}:
        for old in range(1, new + 1):
            proof = tree.consistency_proof(old, new)
            assert proof == definition(old, LEAVES[:new], whole=True)
            old_root, root = tree_hash(LEAVES[:old]), tree_hash(LEAVES[:new])
            verify_consistency(old, old_root, new, root, proof)


def definition(old, leaves, *, whole):
    """Return SUBPROOF(old, D[n], whole) of RFC 6962 section 2.1.2."""
    if old == len(leaves):
        return [] if whole else [tree_hash(leaves)]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = leaves[:split], leaves[split:]
    if old <= split:
        return [*definition(old, left, whole=whole), tree_hash(right)]
    return [*definition(old - split, right, whole=False), tree_hash(left)]


@pytest.mark.parametrize(("old", "new"), [(0, 3), (3, 2), (2, 4), (-1, 3), (4, 4)])
def test_there_is_no_consistency_proof_beyond_the_tree(old, new):
    """From an empty tree, from a larger one, or backwards."""
    tree = GrowingTree(3, tiles_of(3).__getitem__)
    with pytest.raises(LogError, match="proves nothing"):
        tree.consistency_proof(old, new)


@pytest.mark.parametrize("index", [-1, 3, 2**63])
def test_there_is_no_proof_of_a_leaf_that_is_not_there(index):
    """Indices below the first and after the last."""
    tree = GrowingTree(3, tiles_of(3).__getitem__)
    with pytest.raises(LogError, match="no leaf"):
        tree.inclusion_proof(index)


@pytest.mark.parametrize("data", [b"", bytes(31), bytes(64), bytes(97)])
def test_a_tile_of_another_length_is_no_tile(data):
    """Three hashes have 96 bytes."""
    with pytest.raises(LogError, match="a tile of 3 hashes"):
        GrowingTree(3, lambda _path: data).root()
