"""A tree stored as its perfect subtrees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import FormatError
from server.core.tlog import CompactTree, leaf_hash, tree_hash

LEAVES = [leaf_hash(b"%d" % number) for number in range(140)]


@given(st.integers(0, 70), st.integers(0, 70))
def test_it_grows_as_rfc_6962_says(size, further):
    """In one step or in two, its root is MTH of the leaves."""
    tree = CompactTree().grow(LEAVES[:size]).grow(LEAVES[size : size + further])
    assert tree.size == size + further
    assert tree.root() == tree_hash(LEAVES[: size + further])


@pytest.mark.parametrize(("size", "subtrees"), [(0, 1), (1, 0), (3, 1), (4, 2)])
def test_subtrees_of_no_tree(size, subtrees):
    """A tree of that size has another number of subtrees."""
    with pytest.raises(FormatError, match="perfect subtrees"):
        CompactTree(size, (bytes(32),) * subtrees)
