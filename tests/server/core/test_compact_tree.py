"""A tree kept as its perfect subtrees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.compact_tree import CompactTree
from server.core.errors import FormatError, LogError
from server.core.growing_tree import GrowingTree
from server.core.tlog import leaf_hash, tree_hash

LEAVES = [leaf_hash(b"%d" % number) for number in range(600)]


@given(st.integers(0, 70), st.integers(0, 70))
def test_it_grows_as_rfc_6962_says(size, further):
    """In one step or in two, its root is MTH of the leaves."""
    tree = CompactTree().grow(LEAVES[:size]).grow(LEAVES[size : size + further])
    assert tree.size == size + further
    assert tree.root() == tree_hash(LEAVES[: size + further])


@pytest.mark.parametrize(("size", "subtrees"), [(0, 1), (1, 0), (3, 1), (4, 2)])
def test_subtrees_of_no_tree(size, subtrees):
    """A tree of that size has another number of them."""
    with pytest.raises(FormatError, match="perfect subtrees"):
        CompactTree(size, (bytes(32),) * subtrees)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 255, 256, 257, 511, 512, 599, 600])
def test_the_subtrees_of_a_tree_in_tiles(size):
    """They are those of its first leaves, whichever tile they lie in."""
    tree = GrowingTree(0, {}.__getitem__)
    for leaf in LEAVES:
        tree.append(leaf)
    assert tree.subtrees(size) == CompactTree().grow(LEAVES[:size]).subtrees
    with pytest.raises(LogError, match="no prefix"):
        tree.subtrees(601)
