import time
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.block_writer import encode_ranges, plan_update
from signer.ota import transfer_list as module
from signer.ota.errors import PayloadError, UnsupportedError
from signer.ota.transfer_list import (
    MAX_BLOCKS,
    BlockSet,
    Command,
    TransferCaps,
    count_range_blocks,
    decode_ranges,
    decode_transfer_list,
)
from tests.cases import case

# Any forty lower-case hexadecimal digits are a SHA-1 here.
A, B = "a" * 40, "b" * 40
HEAD = {1: "1\n9\n", 2: "2\n9\n1\n8\n", 3: "3\n9\n1\n8\n", 4: "4\n9\n1\n8\n"}


def _only(version: int, line: str) -> Command:
    (command,) = decode_transfer_list(f"{HEAD[version]}{line}\n".encode()).commands()
    return command


def test_transfer_list_head() -> None:
    """Version and total come first, two stash lines follow from version 2 on; 16 MiB at most."""
    first = decode_transfer_list(b"1\n9\nnew 2,0,9\n")
    assert (first.version, first.total_blocks, len(list(first.commands()))) == (1, 9, 1)
    fourth = decode_transfer_list(b"4\n9\n1\n8\nnew 2,0,9\n")
    assert (fourth.version, fourth.total_blocks, len(list(fourth.commands()))) == (4, 9, 1)
    assert list(decode_transfer_list(b"4\n0\n0\n0\n").commands()) == []
    with pytest.raises(PayloadError, match="larger than 16 MiB"):
        decode_transfer_list(bytes((16 << 20) + 1))
    for version, name in product((1, 2, 3, 4), ("new", "zero", "erase")):
        assert _only(version, f"{name} 4,0,1,5,7") == Command(name, ((0, 1), (5, 7)))


def test_commands() -> None:
    """The order of words is that of AOSP's writer for the version."""
    patch = Command("bsdiff", ((0, 2),), ((4, 6),), (), "", 2, 10, 20)
    for version, line, expected in (
        (1, "move 2,4,6 2,0,2", Command("move", ((0, 2),), ((4, 6),), read_blocks=2)),
        (2, "move 2,0,2 2 2,4,6", Command("move", ((0, 2),), ((4, 6),), read_blocks=2)),
        (2, "move 2,0,2 2 - 7:2,0,2", Command("move", ((0, 2),), (), ("7",), read_blocks=2)),
        (
            3,
            f"move {A} 2,0,3 3 2,4,6 2,1,3 {B}:2,0,1",
            Command("move", ((0, 3),), ((4, 6),), (B,), read_blocks=3),
        ),
        (
            4,
            f"move {A} 2,0,2 2 - {A}:2,0,1 {B}:2,1,2",
            Command("move", ((0, 2),), (), (A, B), read_blocks=2),
        ),
        (1, "bsdiff 10 20 2,4,6 2,0,2", patch),
        (3, f"bsdiff 10 20 {A} {B} 2,0,2 2 2,4,6", patch),
        (2, "imgdiff 10 20 2,0,2 2 2,4,6", replace(patch, name="imgdiff")),
        (2, "stash 3 2,4,6", Command("stash", (), ((4, 6),), (), "3", 2)),
        (4, f"stash {A} 2,4,6", Command("stash", (), ((4, 6),), (), A, 2)),
        (2, "free 3", Command("free", stash="3")),
        (3, f"free {A}", Command("free", stash=A)),
        (
            4,
            f"compute_hash_tree 2,8,9 2,0,8 sha256 {A} {B}",
            Command("compute_hash_tree", ((8, 9),), ((0, 8),)),
        ),
    ):
        with case(version):
            assert _only(version, line) == expected


def test_malformed_commands() -> None:
    """Missing or additional words and commands of other versions are refused."""
    for version, line in (
        (1, "move 2,0,2"),
        (1, "move 2,0,2 2 2,4,6"),
        (1, "bsdiff 1 2,4,6 2,0,2"),
        (2, "move 2,0,2 3 2,4,6"),
        (2, "move 2,0,2 2 2,4,6 2,0,2"),
        (2, "move 2,0,2 3 2,4,6 2,0,1 7:2,2,3"),
        (2, "move 2,0,2 0 -"),
        (2, "move 2,0,2 2 - x:2,0,2"),
        (2, f"move {A} 2,0,2 2 2,4,6"),
        (2, "bsdiff -1 2 2,0,2 2 2,4,6"),
        (2, f"free {A}"),
        (3, "move 2,0,2 2 2,4,6"),
        (3, f"move {A.upper()} 2,0,2 2 2,4,6"),
        (3, f"bsdiff 10 20 {A} 2,0,2 2 2,4,6"),
        (3, "stash 3 2,4,6"),
        (3, f"free {A} {B}"),
        (4, f"compute_hash_tree 2,8,9 2,0,8 sha256 {A} xyz"),
        (4, "new"),
        (4, "new  2,0,1"),
        (4, "new 2,0,1 "),
    ):
        message = r"malformed|not a set of ranges|numbers wrongly"
        with case(version, line), pytest.raises(PayloadError, match=message):
            _only(version, line)
    for version, line in (
        (1, "stash 3 2,4,6"),
        (1, "free 3"),
        (3, "compute_hash_tree 2,8,9 2,0,8 sha1 aa bb"),
    ):
        message = f"version {version} has the command"
        with case(version, line), pytest.raises(UnsupportedError, match=message):
            _only(version, line)


@given(
    st.integers(1, 4),
    st.lists(st.integers(0, 3), min_size=1, max_size=12),
    st.lists(st.integers(0, 3), min_size=1, max_size=12),
)
@settings(deadline=None)
def test_transfer_list_of_writer(version: int, old: list[int], new: list[int]) -> None:
    """Each plan between two images is decoded, with its commands and ranges."""
    images = [b"".join(bytes([block]) * 4096 for block in image) for image in (old, new)]
    plan = plan_update(*images, version=version)
    decoded = decode_transfer_list(plan.transfer_list.encode())
    commands = list(decoded.commands())
    lines = plan.transfer_list.splitlines()
    assert [decoded.version, decoded.total_blocks] == [int(line) for line in lines[:2]]
    assert [each.name for each in commands] == [
        line.split(" ")[0] for line in lines[2 if version == 1 else 4 :]
    ]
    for command, line in zip(commands, lines[2 if version == 1 else 4 :], strict=True):
        if command.targets:
            assert encode_ranges(*command.targets) in line.split(" ")


LIST = b"1\n3\nzero 2,0,1\nzero 4,1,2,5,6\n"


def test_limits_for_all_lists(monkeypatch) -> None:
    """The limits hold for all lists of a package together, and for the blocks they name."""
    for cap, least, fault in (
        ("MAX_LISTS_LENGTH", 2 * len(LIST), "The transfer lists are larger than"),
        ("MAX_COMMANDS", 8, "have more than 8 commands"),
        ("MAX_PACKAGE_RANGES", 6, "have more than 6 ranges"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, cap, least)
            caps = TransferCaps()
            caps.take(LIST)
            caps.take(LIST)
            with pytest.raises(PayloadError, match=fault):
                caps.take(LIST)
    caps = TransferCaps()
    for _ in range(4):
        caps.take_blocks(MAX_BLOCKS, "partition system")
    with pytest.raises(PayloadError, match="partition vendor names its blocks too often"):
        caps.take_blocks(1, "partition vendor")


BOUNDS = st.lists(st.integers(0, 400), min_size=2, max_size=12, unique=True).map(sorted)
RANGES = BOUNDS.map(lambda bounds: tuple(zip(bounds[::2], bounds[1::2], strict=False)))


@given(RANGES)
def test_ranges(ranges) -> None:
    """The first number counts those that follow; a pair is first block and end."""
    assert decode_ranges("4,0,5,7,8") == ((0, 5), (7, 8))
    assert count_range_blocks(((0, 5), (7, 8))) == 6
    assert decode_ranges("2,0,16777216") == ((0, 16777216),)  # 64 GiB, the largest partition
    assert decode_ranges(encode_ranges(*ranges)) == ranges


def test_malformed_ranges() -> None:
    """Each fault has its message; too many ranges are refused before they are decoded."""
    for text, fault in (
        ("", "not a set of ranges"),
        ("2,0,5 ", "not a set of ranges"),
        ("2,0,-5", "not a set of ranges"),
        ("2,00,5", "not a set of ranges"),
        ("0", "counts its numbers wrongly"),
        ("3,0,5,6", "counts its numbers wrongly"),
        ("4,0,5", "counts its numbers wrongly"),
        ("2,5,5", "do not ascend"),
        ("4,0,5,4,6", "do not ascend"),
        ("2,0,16777217", "names block 16777216, beyond the largest partition"),
    ):
        with case(text), pytest.raises(PayloadError, match=fault):
            decode_ranges(text)
    numbers = ",".join(map(str, range(200_000)))
    assert len(decode_ranges(f"200000,{numbers}")) == 100_000
    with pytest.raises(PayloadError, match="a set of more than 100000 ranges"):
        decode_ranges(f"200002,{numbers},200000,200001")


def test_block_set_is_fast() -> None:
    """250,000 separate blocks are added from last to first within seconds."""
    blocks, start = BlockSet(), time.process_time()
    for at in range(500_000, 0, -2):
        assert not blocks.overlaps(((at, at + 1),))
        blocks.add(((at, at + 1),))
    assert time.process_time() - start < 6


@given(st.lists(RANGES, max_size=6), RANGES)
def test_block_set(added, asked) -> None:
    """It agrees with a set of all block numbers."""
    blocks, truth = BlockSet(), set[int]()
    for ranges in added:
        blocks.add(ranges)
        truth |= {block for start, stop in ranges for block in range(start, stop)}
    wanted = {block for start, stop in asked for block in range(start, stop)}
    assert blocks.overlaps(asked) == bool(truth & wanted)
