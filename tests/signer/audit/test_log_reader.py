"""The log's tree, tiles, bundles and leaves."""

import contextlib
import hashlib
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.tlog import verify_consistency
from signer.audit.findings import AnswerError
from signer.audit.log_reader import CompactRange, Entry, Tiles, decode_bundle, decode_entry
from tests.cases import case
from tests.signer.audit.public_tree import DictMirror, leaf_hash_of, tiles_of, tree_hash

ENTRIES = [b"entry %d" % number for number in range(65_537)]


def read(size):
    """Return a reader for a log of the first `size` entries."""
    return Tiles(DictMirror(tiles_of(ENTRIES[:size])), size)


@cache
def all_leaves():
    """Return the leaf hashes of all entries."""
    return [leaf_hash_of(entry) for entry in ENTRIES]


@cache
def root_of(size):
    """Return the root of a log of the first `size` entries."""
    return tree_hash(all_leaves()[:size])


def test_prefix_roots_and_consistency_proofs() -> None:
    """All pairs of sizes up to 64, and pairs around the edges of tiles."""
    for size in range(1, 65):
        with case(size):
            tiles = read(size)
            for old in range(1, size + 1):
                root = tiles.hash_of(0, old)
                assert root == root_of(old)
                proof = tiles.consistency_proof(old)
                verify_consistency(old, root, size, root_of(size), proof)
    edges = (255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537)
    for size in (*edges[:6], *edges[7:]):
        tiles = read(size)
        for old in (1, 2, 300, *edges):
            if old <= size:
                root = tiles.hash_of(0, old)
                assert root == root_of(old)
                verify_consistency(old, root, size, root_of(size), tiles.consistency_proof(old))


def test_leaves_and_fetched_tiles() -> None:
    """Full and partial bundles are read; a proof fetches few tiles, and the cache is bounded."""
    tiles = read(300)
    assert tiles.leaves(0) == ENTRIES[:256]
    assert tiles.leaves(1) == ENTRIES[256:300]
    mirror = DictMirror(tiles_of(ENTRIES))
    tiles = Tiles(mirror, len(ENTRIES))
    tiles.hash_of(0, 40_001)
    tiles.consistency_proof(40_001)
    assert len(mirror.fetched) <= 6
    mirror = DictMirror({})
    mirror.fetch = lambda _path, _limit: bytes(8192)
    tiles = Tiles(mirror, 256 * 10_000)
    for index in range(10_000):
        tiles.node(0, index * 256)
    assert len(tiles._cache) <= 256


def test_malformed_tile() -> None:
    """Truncated, too long and missing tiles are refused."""
    for data in (
        *(b"", b"\0", b"\0\1", b"\0\0", b"\0\2ab\0", b"\0\xa1" + b"x" * 161),
        b"\0\1a" * 299 + b"\0",
    ):
        with case(data), pytest.raises(AnswerError):
            Tiles(DictMirror({"/log/tile/entries/000.p/2": data}), 2).leaves(0)
    for data in (b"", bytes(31), bytes(65), bytes(32)):
        with case(data), pytest.raises(AnswerError):
            Tiles(DictMirror({"/log/tile/0/000.p/2": data}), 2).node(0, 0)
    with pytest.raises(AnswerError, match=r"/log/tile/0/x001/000\.p/1 is missing"):
        Tiles(DictMirror({}), 256_001).node(0, 256_000)


CLASSIC = [hashlib.sha256(b"\0leaf %d" % number).digest() for number in range(130)]


def test_compact_range() -> None:
    """The root is that of the definition, leaf by leaf and continued from any size."""
    tree = CompactRange()
    for size in range(131):
        assert tree.root() == tree_hash(CLASSIC[:size])
        assert (tree.size, len(tree.hashes)) == (size, size.bit_count())
        if size < 130:
            tree.append(CLASSIC[size])
    for old in range(65):
        with case(old):
            first = CompactRange()
            for leaf in CLASSIC[:old]:
                first.append(leaf)
            tree = CompactRange(first.size, first.hashes)
            for size in range(old, 65):
                assert tree.root() == tree_hash(CLASSIC[:size])
                tree.append(CLASSIC[size])
            assert first.root() == tree_hash(CLASSIC[:old])
    tree = CompactRange()
    for entry in (
        *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
        "606162636465666768696a6b6c6d6e6f",
    ):
        tree.append(hashlib.sha256(b"\0" + bytes.fromhex(entry)).digest())
    root = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert tree.root().hex() == root


ROLES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,31}", fullmatch=True)
VERSIONS = st.integers(1, 2**53 - 1)
HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)


@given(ROLES, VERSIONS, HASHES)
def test_decode_entry(role, version, sha256):
    """An entry has the four lines of FORMATS section 7."""
    leaf = f"hening role v1\n{role}\n{version}\n{sha256}\n".encode()
    assert decode_entry(leaf) == Entry(role, version, sha256)


@given(ROLES, VERSIONS, HASHES, st.data())
def test_entry_has_one_encoding(role, version, sha256, data):
    """A changed entry is refused or decodes to another value."""
    leaf = f"hening role v1\n{role}\n{version}\n{sha256}\n".encode()
    place = data.draw(st.integers(0, len(leaf) - 1))
    other = leaf[:place] + data.draw(st.binary(max_size=2)) + leaf[place + 1 :]
    with contextlib.suppress(AnswerError):
        assert (decode_entry(other) == Entry(role, version, sha256)) == (other == leaf)


@given(st.binary(max_size=400))
def test_entry_of_arbitrary_bytes(data):
    """Arbitrary bytes are refused with an AnswerError."""
    with pytest.raises(AnswerError):
        decode_entry(data)


@given(st.lists(st.binary(min_size=1, max_size=160), max_size=256))
def test_decode_bundle(leaves):
    """Two bytes of length precede each leaf."""
    data = b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)
    assert decode_bundle(data) == leaves


@given(st.binary(max_size=2000))
def test_bundle_of_arbitrary_bytes(data):
    """A decoded bundle encodes to the same bytes."""
    with contextlib.suppress(AnswerError):
        leaves = decode_bundle(data)
        assert b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves) == data
