import hashlib

import pytest

from server.core.tlog import verify_consistency
from signer.audit.findings import AnswerError
from signer.audit.log_reader import Tiles
from tests.cases import case
from tests.signer.audit.public_tree import DictMirror, leaf_hash_of, mth, tiles_of

ENTRIES = [b"entry %d" % number for number in range(66_000)]
LEAVES = [leaf_hash_of(entry) for entry in ENTRIES]


def read(size):
    """Return the reader of a mirror that has a log of the first `size` entries."""
    return Tiles(DictMirror(tiles_of(ENTRIES[:size])), size)


def test_every_pair_of_sizes_up_to_64():
    """Tiles give each prefix its root, and a proof that the prefix is one."""
    for size in range(1, 65):
        with case(size):
            tiles = read(size)
            for old in range(1, size + 1):
                root = tiles.hash_of(0, old)
                assert root == mth(LEAVES[:old])
                proof = tiles.consistency_proof(old)
                verify_consistency(old, root, size, mth(LEAVES[:size]), proof)


@pytest.mark.parametrize("size", [255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 66_000])
def test_sizes_around_the_edges_of_tiles(size):
    """Subtrees that span tiles of several levels, up to level 2."""
    tiles = read(size)
    for old in (1, 2, 255, 256, 257, 300, 511, 512, 513, 65_535, 65_536, 65_537, size):
        if old <= size:
            root = tiles.hash_of(0, old)
            assert root == mth(LEAVES[:old])
            verify_consistency(old, root, size, mth(LEAVES[:size]), tiles.consistency_proof(old))


def test_a_proof_in_a_long_log_takes_a_few_tiles():
    """One for each level at each of the two edges is enough."""
    mirror = DictMirror(tiles_of(ENTRIES))
    tiles = Tiles(mirror, len(ENTRIES))
    tiles.hash_of(0, 40_001)
    tiles.consistency_proof(40_001)
    assert len(mirror.asked) <= 6


def test_leaves_come_as_they_are():
    """A full bundle, and a partial one."""
    tiles = read(300)
    assert tiles.leaves(0) == ENTRIES[:256]
    assert tiles.leaves(1) == ENTRIES[256:300]


@pytest.mark.parametrize(
    "data",
    [b"", b"\0", b"\0\1", b"\0\0", b"\0\2ab\0", b"\0\xa1" + b"x" * 161, b"\0\1a" * 299 + b"\0"],
)
def test_a_bundle_that_is_none(data):
    """Cut short, empty leaves, leaves over their limit, too few of them."""
    mirror = DictMirror({"/log/tile/entries/000.p/2": data})
    with pytest.raises(AnswerError):
        Tiles(mirror, 2).leaves(0)


@pytest.mark.parametrize("data", [b"", bytes(31), bytes(65), bytes(32)])
def test_a_hash_tile_of_another_length(data):
    """Fewer hashes than the size says, or parts of one."""
    with pytest.raises(AnswerError):
        Tiles(DictMirror({"/log/tile/0/000.p/2": data}), 2).node(0, 0)


def test_a_tile_that_is_not_there():
    """The sentence names the path."""
    with pytest.raises(AnswerError, match=r"/log/tile/0/x001/000\.p/1 is not there"):
        Tiles(DictMirror({}), 256_001).node(0, 256_000)
    assert hashlib.sha256(b"").digest() == mth([])


def test_the_cache_is_bounded():
    """Ten thousand tiles are read through it and at most 256 are held."""
    mirror = DictMirror({})
    mirror.fetch = lambda _path, _limit: bytes(8192)
    tiles = Tiles(mirror, 256 * 10_000)
    for index in range(10_000):
        tiles.node(0, index * 256)
    assert len(tiles._cache) <= 256
