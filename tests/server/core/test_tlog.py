import hashlib
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import LogError
from server.core.tlog import (
    EMPTY_ROOT,
    inclusion_proof,
    leaf_hash,
    node_hash,
    tree_hash,
    verify_consistency,
    verify_inclusion,
)
from tests.cases import case

#: The eight leaves of the certificate-transparency test vectors and the root of each prefix.
ENTRIES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
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
LEAVES = [hashlib.sha256(b"\0leaf %d" % number).digest() for number in range(64)]


def combine(left, right):
    """Hash two children, without the code under test."""
    return hashlib.sha256(b"\1" + left + right).digest()


def stack_root(leaves):
    """Compute a root with a stack of perfect subtrees, as an append-only log does."""
    stack = []
    for count, leaf in enumerate(leaves, start=1):
        stack.append(leaf)
        rest = count
        while rest % 2 == 0:
            right = stack.pop()
            stack.append(combine(stack.pop(), right))
            rest //= 2
    if not stack:
        return hashlib.sha256(b"").digest()
    root = stack.pop()
    while stack:
        root = combine(stack.pop(), root)
    return root


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


def test_the_certificate_transparency_vectors():
    """Each prefix of the eight classic leaves has its published root."""
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry in ENTRIES]
    for size, root in enumerate(ROOTS):
        assert tree_hash(leaves[:size]).hex() == root
    assert EMPTY_ROOT.hex() == ROOTS[0]


def test_leaves_and_nodes_are_hashed_apart():
    """The prefixes of RFC 6962 distinguish a node from a leaf."""
    assert leaf_hash(b"a") == hashlib.sha256(b"\x00a").digest()
    assert node_hash(b"a", b"b") == hashlib.sha256(b"\x01ab").digest()


def test_every_root_up_to_64_leaves():
    """The recursive definition and an append-only stack agree."""
    for size in range(65):
        with case(size):
            assert tree_hash(LEAVES[:size]) == stack_root(LEAVES[:size])


def test_every_inclusion_proof_up_to_64_leaves():
    """RFC 9162's verifier accepts our proofs and ours accepts them too, for that leaf only."""
    for size in range(1, 65):
        with case(size):
            leaves = LEAVES[:size]
            root = stack_root(leaves)
            for index in range(size):
                proof = inclusion_proof(index, leaves)
                assert rfc9162_inclusion(leaves[index], index, size, proof) == root
                verify_inclusion(leaves[index], index, size, proof, root)
                with pytest.raises(LogError):
                    verify_inclusion(
                        LEAVES[index - 1 if index else 63], index, size + 1, proof, root
                    )


def test_every_wrong_inclusion_proof_of_a_small_tree_is_refused():
    """Another index, size, root, a flipped bit, a missing, added or exchanged hash: all refused."""
    for size in range(1, 17):
        leaves = LEAVES[:size]
        root = stack_root(leaves)
        for index in range(size):
            leaf, proof = leaves[index], inclusion_proof(index, leaves)
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


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0), (2**63, 3)])
def test_there_is_no_proof_of_a_leaf_that_is_not_there(index, size):
    """Both making and checking such a proof are refused."""
    with pytest.raises(LogError, match="no leaf"):
        inclusion_proof(index, LEAVES[:size])
    with pytest.raises(LogError, match="no leaf"):
        verify_inclusion(LEAVES[0], index, size, [], LEAVES[0])


@given(
    st.integers(0, 2**53),
    st.integers(0, 2**53),
    st.lists(st.binary(min_size=32, max_size=32), max_size=60),
)
def test_both_verifiers_agree_on_any_proof(index, size, proof):
    """For arbitrary sizes and hashes the recursive and the iterative verifier agree."""
    expected = rfc9162_inclusion(LEAVES[0], index, size, proof)
    for root in filter(None, [expected, bytes(32)]):
        try:
            verify_inclusion(LEAVES[0], index, size, proof, root)
            accepted = True
        except LogError:
            accepted = False
        assert accepted == (root == expected)


@given(st.integers(0, 2**53 - 1), st.integers(1, 2**53), st.randoms(use_true_random=False))
def test_a_proof_of_the_right_length_leads_to_the_same_root_in_both(index, size, random):
    """In trees too large to build, both verifiers find the same root for a proof that fits."""
    index %= size
    for length in range(55):
        proof = [random.randbytes(32) for _ in range(length)]
        root = rfc9162_inclusion(LEAVES[1], index, size, proof)
        if root is not None:
            verify_inclusion(LEAVES[1], index, size, proof, root)
            return
    pytest.fail("no proof length fits the tree")


def test_roots_differ_between_neighbouring_sizes():
    """A tree and its prefix have different roots."""
    assert all(tree_hash(LEAVES[:a]) != tree_hash(LEAVES[:b]) for a, b in pairwise(range(65)))


def rfc6962_subproof(size, leaves, *, whole):
    """Return SUBPROOF of RFC 6962 section 2.1.2, the roots by the append-only stack."""
    if size == len(leaves):
        return [] if whole else [stack_root(leaves)]
    split = max(1 << power for power in range(7) if 1 << power < len(leaves))
    if size <= split:
        inner = rfc6962_subproof(size, leaves[:split], whole=whole)
        return [*inner, stack_root(leaves[split:])]
    inner = rfc6962_subproof(size - split, leaves[split:], whole=False)
    return [*inner, stack_root(leaves[:split])]


def test_every_pair_of_sizes_up_to_64_is_consistent():
    """The definition's proof of each prefix is accepted, for these two roots and sizes only."""
    for size in range(1, 65):
        with case(size):
            leaves = LEAVES[:size]
            root = stack_root(leaves)
            for old in range(1, size + 1):
                old_root = stack_root(leaves[:old])
                proof = rfc6962_subproof(old, leaves, whole=True)
                verify_consistency(old, old_root, size, root, proof)
                if old < size:
                    assert rfc9162_consistency(old, size, proof, old_root) == (old_root, root)
                wrong = [
                    (old, old_root, size, bytes(32), proof),
                    (old, bytes(32), size, root, proof),
                    (old, old_root, size, root, [*proof, root]),
                    (old, old_root, size, root, [root, *proof]),
                ]
                if proof:
                    flipped = [bytes([proof[0][0] ^ 1]) + proof[0][1:], *proof[1:]]
                    wrong += [
                        (old, old_root, size, root, each)
                        for each in (proof[1:], proof[:-1], flipped)
                    ]
                if proof != proof[::-1]:
                    wrong += [(old, old_root, size, root, proof[::-1])]
                for arguments in wrong:
                    with pytest.raises(LogError):
                        verify_consistency(*arguments)


def test_the_consistency_proofs_of_the_eight_classic_leaves():
    """The proof from 6 leaves to 8, written from the definition, connects the published roots."""
    leaves = [hashlib.sha256(b"\0" + bytes.fromhex(entry)).digest() for entry in ENTRIES]
    proof = [
        combine(leaves[4], leaves[5]),
        combine(leaves[6], leaves[7]),
        combine(combine(leaves[0], leaves[1]), combine(leaves[2], leaves[3])),
    ]
    six, eight = bytes.fromhex(ROOTS[6]), bytes.fromhex(ROOTS[8])
    verify_consistency(6, six, 8, eight, proof)
    for old, new in ((5, 8), (7, 8), (8, 8), (6, 9)):
        with pytest.raises(LogError):
            verify_consistency(old, six, new, eight, proof)


@pytest.mark.parametrize(("old", "size"), [(0, 3), (-1, 3), (4, 3), (0, 0)])
def test_no_proof_shows_a_prefix_that_is_not_there(old, size):
    """The empty tree and larger trees are refused as prefixes."""
    with pytest.raises(LogError, match="no prefix"):
        verify_consistency(old, EMPTY_ROOT, size, EMPTY_ROOT, [])


@given(
    st.integers(1, 2**53),
    st.integers(1, 2**53),
    st.lists(st.binary(min_size=32, max_size=32), max_size=60),
)
def test_both_consistency_verifiers_agree_on_any_proof(old, size, proof):
    """For arbitrary sizes and hashes the recursive and the iterative verifier agree."""
    old_root = LEAVES[0]
    found = rfc9162_consistency(old, size, proof, old_root) if old < size else None
    for root in (bytes(32), *([found[1]] if found else [])):
        try:
            verify_consistency(old, old_root, size, root, proof)
            accepted = True
        except LogError:
            accepted = False
        expected = (old_root, root) == found
        if old == size:
            expected = not proof and root == old_root
        assert accepted == expected


@given(st.integers(1, 2**53), st.integers(2, 2**53), st.randoms(use_true_random=False))
def test_a_consistency_proof_of_the_right_length_has_the_same_roots_in_both(old, size, random):
    """In trees too large to build, both verifiers find the same roots for a proof that fits."""
    old = 1 + old % (size - 1)
    for length in range(1, 56):
        proof = [random.randbytes(32) for _ in range(length)]
        found = rfc9162_consistency(old, size, proof, LEAVES[1])
        if found is not None:
            verify_consistency(old, found[0], size, found[1], proof)
            return
    pytest.fail("no proof length fits the two trees")


MANY = [hashlib.sha256(b"\0leaf %d" % number).digest() for number in range(256)]


@cache
def range_root(first, size):
    """Return the root of `size` leaves from `first` on, by the definition."""
    if size == 1:
        return MANY[first]
    split = 1 << (size - 1).bit_length() - 1
    return combine(range_root(first, split), range_root(first + split, size - split))


def range_subproof(old, first, size, *, whole):
    """Return SUBPROOF of RFC 6962 section 2.1.2 for the leaves from `first` on."""
    if old == size:
        return [] if whole else [range_root(first, size)]
    split = 1 << (size - 1).bit_length() - 1
    if old <= split:
        inner = range_subproof(old, first, split, whole=whole)
        return [*inner, range_root(first + split, size - split)]
    inner = range_subproof(old - split, first + split, size - split, whole=False)
    return [*inner, range_root(first, split)]


def test_every_pair_of_sizes_up_to_256_is_consistent():
    """Both verifiers accept each of 32,896 proofs; the largest tree has the stack's root."""
    assert range_root(0, 256) == stack_root(MANY)
    for size in range(1, 257):
        root = range_root(0, size)
        for old in range(1, size + 1):
            old_root = range_root(0, old)
            proof = range_subproof(old, 0, size, whole=True)
            verify_consistency(old, old_root, size, root, proof)
            if old < size:
                assert rfc9162_consistency(old, size, proof, old_root) == (old_root, root)
