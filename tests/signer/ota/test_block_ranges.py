import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.block_writer import encode_ranges
from signer.ota.block_ranges import BlockSet, count_range_blocks, decode_ranges
from signer.ota.errors import PayloadError

BOUNDS = st.lists(st.integers(0, 400), min_size=2, max_size=12, unique=True).map(sorted)
RANGES = BOUNDS.map(lambda bounds: tuple(zip(bounds[::2], bounds[1::2], strict=False)))


def test_ranges() -> None:
    """The first number counts those that follow; pairs are first block and block after the last."""
    assert decode_ranges("4,0,5,7,8") == ((0, 5), (7, 8))
    assert count_range_blocks(((0, 5), (7, 8))) == 6


@given(RANGES)
def test_ranges_both_ways(ranges) -> None:
    """What is encoded is decoded to the same ranges."""
    assert decode_ranges(encode_ranges(*ranges)) == ranges


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no set of ranges"),
        ("2,0,5 ", "no set of ranges"),
        ("2,0,-5", "no set of ranges"),
        ("2,00,5", "no set of ranges"),
        ("0", "counts its numbers wrongly"),
        ("3,0,5,6", "counts its numbers wrongly"),
        ("4,0,5", "counts its numbers wrongly"),
        ("2,5,5", "do not ascend"),
        ("4,0,5,4,6", "do not ascend"),
        ("2,0,16777217", "names block 16777216, beyond the largest partition"),
    ],
)
def test_ranges_that_are_refused(text: str, fault: str) -> None:
    """Each fault has its sentence."""
    with pytest.raises(PayloadError, match=fault):
        decode_ranges(text)


def test_sets_have_a_limit() -> None:
    """A set of many ranges is refused before it is decoded."""
    numbers = ",".join(map(str, range(200_000)))
    assert len(decode_ranges(f"200000,{numbers}")) == 100_000
    with pytest.raises(PayloadError, match="a set of more than 100000 ranges"):
        decode_ranges(f"200002,{numbers},200000,200001")


def test_the_largest_partition() -> None:
    """64 GiB have 16777216 blocks."""
    assert decode_ranges("2,0,16777216") == ((0, 16777216),)


def test_many_blocks_take_little_time() -> None:
    """Half a million from the last to the first, of which no two touch, are a moment's work."""
    blocks, start = BlockSet(), time.process_time()
    for at in range(1_000_000, 0, -2):
        assert not blocks.overlaps(((at, at + 1),))
        blocks.add(((at, at + 1),))
    assert time.process_time() - start < 12


@given(st.lists(RANGES, max_size=6), RANGES)
def test_a_block_set_is_a_set_of_blocks(added, asked) -> None:
    """Ranges say the same as the set of all their block numbers, whatever overlaps or touches."""
    blocks, truth = BlockSet(), set[int]()
    for ranges in added:
        blocks.add(ranges)
        truth |= {block for start, stop in ranges for block in range(start, stop)}
    wanted = {block for start, stop in asked for block in range(start, stop)}
    assert blocks.overlaps(asked) == bool(truth & wanted)
