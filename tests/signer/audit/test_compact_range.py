import hashlib

from signer.audit.log_reader import CompactRange
from tests.cases import case
from tests.signer.audit.public_tree import mth

LEAVES = [hashlib.sha256(b"\0leaf %d" % number).digest() for number in range(130)]


def by_definition(leaves):
    """Return MTH as RFC 6962 section 2.1 defines it."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    split = max(1 << power for power in range(8) if 1 << power < len(leaves))
    left, right = by_definition(leaves[:split]), by_definition(leaves[split:])
    return hashlib.sha256(b"\1" + left + right).digest()


def test_every_root_up_to_130_leaves():
    """Leaf by leaf the root is that of the definition, and a hash stands for each bit."""
    tree = CompactRange()
    for size in range(131):
        assert tree.root() == by_definition(LEAVES[:size]) == mth(LEAVES[:size])
        assert (tree.size, len(tree.hashes)) == (size, size.bit_count())
        if size < 130:
            tree.append(LEAVES[size])


def test_every_pair_of_sizes_up_to_64():
    """A tree that was set down at any size goes on to every later one."""
    for old in range(65):
        with case(old):
            first = CompactRange()
            for leaf in LEAVES[:old]:
                first.append(leaf)
            tree = CompactRange(first.size, first.hashes)
            for size in range(old, 65):
                assert tree.root() == by_definition(LEAVES[:size])
                tree.append(LEAVES[size])
            assert first.root() == by_definition(LEAVES[:old])


def test_the_certificate_transparency_vectors():
    """The eight classic leaves lead to their published root."""
    tree = CompactRange()
    for entry in (
        *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
        "606162636465666768696a6b6c6d6e6f",
    ):
        tree.append(hashlib.sha256(b"\0" + bytes.fromhex(entry)).digest())
    root = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert tree.root().hex() == root
