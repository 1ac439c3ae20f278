import hashlib
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import FormatError, LogError
from server.core.tlog import (
    EMPTY_ROOT,
    CompactTree,
    leaf_hash,
    tree_hash,
    verify_consistency,
    verify_inclusion,
)
from tests.cases import case

ENTRIES = "|00|10|2021|3031|40414243|5051525354555657|606162636465666768696a6b6c6d6e6f"
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [hashlib.sha256(b"\0leaf %d" % number).digest() for number in range(256)]


def combine(left, right):
    """Hash two children, without the code under test."""
    return hashlib.sha256(b"\1" + left + right).digest()


@cache
def root_of(first, size):
    """Return the root of `size` leaves from `first` on, by the definition of RFC 6962."""
    if size == 1:
        return LEAVES[first]
    split = 1 << (size - 1).bit_length() - 1
    return combine(root_of(first, split), root_of(first + split, size - split))


def inclusion_of(index, first, size):
    """Return PATH of RFC 6962 section 2.1.1 for the leaves from `first` on."""
    if size == 1:
        return []
    split = 1 << (size - 1).bit_length() - 1
    if index < split:
        return [*inclusion_of(index, first, split), root_of(first + split, size - split)]
    return [*inclusion_of(index - split, first + split, size - split), root_of(first, split)]


def consistency_of(old, first, size, *, whole):
    """Return SUBPROOF of RFC 6962 section 2.1.2 for the leaves from `first` on."""
    if old == size:
        return [] if whole else [root_of(first, size)]
    split = 1 << (size - 1).bit_length() - 1
    if old <= split:
        inner = consistency_of(old, first, split, whole=whole)
        return [*inner, root_of(first + split, size - split)]
    inner = consistency_of(old - split, first + split, size - split, whole=False)
    return [*inner, root_of(first, split)]


def rfc9162_inclusion(leaf, index, size, proof):
    """Return the root of RFC 9162 section 2.1.3.2, or None if it fails."""
    if index >= size:
        return None
    fn, sn, root = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            root = combine(sibling, root)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            root = combine(root, sibling)
        fn, sn = fn >> 1, sn >> 1
    return root if sn == 0 else None


def rfc9162_consistency(first, second, proof, first_root):
    """Return both roots of RFC 9162 section 2.1.4.2, or None if it fails."""
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    if not path:
        return None
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for sibling in path[1:]:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            fr, sr = combine(sibling, fr), combine(sibling, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = combine(sr, sibling)
        fn, sn = fn >> 1, sn >> 1
    return (fr, sr) if sn == 0 else None


def test_certificate_transparency_vectors():
    """Each prefix of the eight classic leaves has its published root."""
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry in ENTRIES.split("|")]
    assert [tree_hash(leaves[:size]).hex() for size in range(9)] == ROOTS
    assert EMPTY_ROOT.hex() == ROOTS[0]


def test_inclusion_proofs_up_to_64_leaves():
    """RFC 9162's verifier accepts the definition's proofs, and so does ours, for that leaf only."""
    for size in range(1, 65):
        with case(size):
            root = root_of(0, size)
            assert tree_hash(LEAVES[:size]) == root
            for index in range(size):
                proof = inclusion_of(index, 0, size)
                assert rfc9162_inclusion(LEAVES[index], index, size, proof) == root
                verify_inclusion(LEAVES[index], index, size, proof, root)
                with pytest.raises(LogError):
                    verify_inclusion(LEAVES[index - 1], index, size + 1, proof, root)


def test_wrong_inclusion_proofs_are_refused():
    """Another index, size, root, a flipped bit, a missing, added or exchanged hash: all refused."""
    for size in range(1, 17):
        root = root_of(0, size)
        for index in range(size):
            leaf, proof = LEAVES[index], inclusion_of(index, 0, size)
            wrong = [
                (leaf, other, size, proof, root) for other in range(-1, size + 2) if other != index
            ]
            wrong += [(leaf, index, size, [*proof, root], root)]
            wrong += [(leaf, index, size, [root, *proof], root)]
            wrong += [
                (leaf, index, size, proof, bytes(32)),
                (root + b"x", index, size, proof, root),
            ]
            for spot in range(len(proof)):
                short = proof[:spot] + proof[spot + 1 :]
                other = bytes([proof[spot][0] ^ 1]) + proof[spot][1:]
                wrong += [(leaf, index, size, short, root)]
                wrong += [(leaf, index, size, [*proof[:spot], other, *proof[spot + 1 :]], root)]
            wrong += [(leaf, index, size, proof[::-1], root)] * (proof != proof[::-1])
            for arguments in wrong:
                with pytest.raises(LogError):
                    verify_inclusion(*arguments)


@given(st.integers(0, 2**53 - 1), st.integers(1, 2**53))
def test_inclusion_verifiers_agree_in_large_trees(index, size):
    """For each proof length at most one proof fits, with the same root in both verifiers."""
    index %= size
    accepted = []
    for length in range(55):
        proof = LEAVES[2 : 2 + length]
        root = rfc9162_inclusion(LEAVES[1], index, size, proof)
        if root is not None:
            accepted.append(length)
            verify_inclusion(LEAVES[1], index, size, proof, root)
            root = bytes(32)
        with pytest.raises(LogError):
            verify_inclusion(LEAVES[1], index, size, proof, root or bytes(32))
    assert len(accepted) == 1


def test_impossible_tree_sizes_are_refused():
    """The empty tree and larger trees are refused as prefixes."""
    for old, size in ((0, 3), (-1, 3), (4, 3), (0, 0)):
        with pytest.raises(LogError, match="no prefix"):
            verify_consistency(old, EMPTY_ROOT, size, EMPTY_ROOT, [])
    for size, subtrees in ((0, 1), (1, 0), (3, 1), (4, 2)):
        with pytest.raises(FormatError, match="perfect subtrees"):
            CompactTree(size, (bytes(32),) * subtrees)


@given(st.integers(1, 2**53), st.integers(2, 2**53))
def test_consistency_verifiers_agree_in_large_trees(old, size):
    """Of the proofs of all lengths one fits, and leads to the same roots in both."""
    old = 1 + old % (size - 1)
    accepted = []
    for length in range(1, 56):
        proof = LEAVES[2 : 2 + length]
        found = rfc9162_consistency(old, size, proof, LEAVES[1])
        first, root = found or (LEAVES[1], bytes(32))
        if found is not None:
            accepted.append(length)
            verify_consistency(old, first, size, root, proof)
            root = bytes(32)
        with pytest.raises(LogError):
            verify_consistency(old, first, size, root, proof)
    assert len(accepted) == 1


def test_consistency_proofs_up_to_256_leaves():
    """Both verifiers accept each of 32,896 proofs, and refuse changed ones."""
    for size in range(1, 257):
        root = root_of(0, size)
        for old in range(1, size + 1):
            old_root = root_of(0, old)
            proof = consistency_of(old, 0, size, whole=True)
            verify_consistency(old, old_root, size, root, proof)
            if old < size:
                assert rfc9162_consistency(old, size, proof, old_root) == (old_root, root)
            for arguments in wrong_proofs(old, old_root, size, root, proof) if size <= 64 else ():
                with case(old, size), pytest.raises(LogError):
                    verify_consistency(*arguments)


def wrong_proofs(old, old_root, size, root, proof):
    """Yield arguments with one wrong value."""
    yield old, old_root, size, bytes(32), proof
    yield old, bytes(32), size, root, proof
    yield old, old_root, size, root, [*proof, root]
    yield old, old_root, size, root, [root, *proof]
    if proof:
        flipped = bytes([proof[0][0] ^ 1]) + proof[0][1:]
        yield from ((old, old_root, size, root, p) for p in (proof[1:], proof[:-1]))
        yield old, old_root, size, root, [flipped, *proof[1:]]
    if proof != proof[::-1]:
        yield old, old_root, size, root, proof[::-1]


@given(st.integers(0, 70), st.integers(0, 70))
def test_compact_tree_root_is_mth(size, further):
    """A compact tree's root is MTH of its leaves, after one step or two."""
    tree = CompactTree().grow(LEAVES[:size]).grow(LEAVES[size : size + further])
    assert tree.size == size + further
    assert tree.root() == tree_hash(LEAVES[: size + further])
