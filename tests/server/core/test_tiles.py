import hashlib

import pytest

from server.core.errors import FormatError
from server.core.tiles import decode_entries, plan_tiles, tile_path
from server.core.tlog import leaf_hash, tree_hash

ENTRIES = [b"entry %d" % number for number in range(70_000)]
LEAVES = [hashlib.sha256(b"\0" + entry).digest() for entry in ENTRIES]


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 1_234_067, 256, "tile/0/x001/x234/067"),
        (0, 0, 256, "tile/0/000"),
        (0, 999, 256, "tile/0/999"),
        (0, 1000, 256, "tile/0/x001/000"),
        (0, 273, 112, "tile/0/273.p/112"),
        (1, 1, 17, "tile/1/001.p/17"),
        (2, 0, 1, "tile/2/000.p/1"),
        ("entries", 1_000_000, 255, "tile/entries/x001/x000/000.p/255"),
    ],
)
def test_paths_are_those_of_the_specification(level, index, width, path):
    """Groups of three digits, `x` before all but the last, a partial tile's width at the end."""
    assert tile_path(level, index, width) == path


def test_a_log_of_70000_consists_of_the_tiles_of_the_specification():
    """273 full tiles and one of 112, one full and one of 17, one of 1; entries as level 0."""
    tiles = dict(plan_tiles(ENTRIES, LEAVES, 0))
    counts = {}
    for path in tiles:
        counts.setdefault(path.split("/")[1], []).append(path)
    assert sorted(counts) == ["0", "1", "2", "entries"]
    assert len(counts["0"]) == len(counts["entries"]) == 274
    assert counts["1"] == ["tile/1/000", "tile/1/001.p/17"]
    assert counts["2"] == ["tile/2/000.p/1"]
    assert len(tiles["tile/0/273.p/112"]) == 112 * 32
    assert len(tiles["tile/1/000"]) == 8192
    assert tiles["tile/2/000.p/1"] == tree_hash(LEAVES[:65536])
    assert tiles["tile/1/001.p/17"][-32:] == tree_hash(LEAVES[272 * 256 : 273 * 256])
    assert tiles["tile/entries/273.p/112"].startswith(b"\x00\x0bentry 69888\x00\x0bentry 69889")


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 513, 65_536, 65_537])
def test_level_widths_follow_the_formula(size):
    """At level `l` a tree of `s` leaves has `s // 256**l` hashes, and no tile is empty."""
    tiles = dict(plan_tiles(ENTRIES[:size], LEAVES[:size], 0))
    for level in range(4):
        content = sum(len(data) for path, data in tiles.items() if f"tile/{level}/" in path)
        assert content == 32 * (size // 256**level)
    assert all(tiles.values())
    partial = [path for path in tiles if ".p/" in path]
    assert all(0 < int(path.rpartition("/")[2]) < 256 for path in partial)


@pytest.mark.parametrize("since", [0, 1, 255, 256, 257, 300, 511, 512, 600])
def test_an_append_yields_what_is_new_and_nothing_else(since):
    """Tiles that the prefix had with the same width are not yielded; all others are, unchanged."""
    before = dict(plan_tiles(ENTRIES[:since], LEAVES[:since], 0))
    after = dict(plan_tiles(ENTRIES[:600], LEAVES[:600], 0))
    new = dict(plan_tiles(ENTRIES[:600], LEAVES[:600], since))
    assert new == {path: data for path, data in after.items() if path not in before}
    assert all(after[path] == before[path] for path in after.keys() & before.keys())


def test_entries_can_be_hashed_into_the_hash_tile():
    """A reader of the entry tile finds the leaf hashes of the hash tile."""
    tiles = dict(plan_tiles(ENTRIES[:3], LEAVES[:3], 0))
    bundle, found = tiles["tile/entries/000.p/3"], []
    while bundle:
        length = int.from_bytes(bundle[:2], "big")
        found.append(leaf_hash(bundle[2 : 2 + length]))
        bundle = bundle[2 + length :]
    assert b"".join(found) == tiles["tile/0/000.p/3"]


def test_entries_are_read_back():
    """Each follows its length, two bytes in big-endian order."""
    assert decode_entries(b"\0\3abc\0\0\0\1d", 3) == [b"abc", b"", b"d"]
    assert decode_entries(b"\1\0" + b"x" * 256, 1) == [b"x" * 256]


@pytest.mark.parametrize(
    ("data", "width"),
    [(b"", 1), (b"\0\3abc", 2), (b"\0\3abc\0\1d", 1), (b"\0\3ab", 1), (b"\0", 1), (b"\0\1dx", 1)],
)
def test_entries_of_another_number_or_length(data, width):
    """Too few, too many, cut off."""
    with pytest.raises(FormatError, match=f"does not hold {width} entries"):
        decode_entries(data, width)
