"""What no hostile package shows: deltas written by hand, one rule at a time."""

import pytest

from signer.ota.errors import PayloadError
from signer.ota.transfer_caps import TransferCaps
from signer.ota.transfer_checks import TransferFacts, check_transfer_list
from signer.ota.transfer_list import TransferList, decode_transfer_list

A = "a" * 40


def _list(total: int, *lines: str) -> TransferList:
    return decode_transfer_list("\n".join(["4", str(total), "1", "2", *lines]).encode())


def _check(total: int, *lines: str, new: int | None = 0, patch: int = 0) -> TransferFacts:
    return check_transfer_list(_list(total, *lines), "vendor", new, patch, TransferCaps())


def test_a_good_list_passes() -> None:
    """Moves through a stash, a patch, new data and a hash tree over what was written."""
    _check(
        7,
        f"stash {A} 2,0,2",
        f"move {A} 2,0,2 2 2,4,6",
        f"bsdiff 3 7 {A} {A} 2,2,3 2 - {A}:2,0,2",
        f"free {A}",
        "new 2,4,6",
        "zero 4,6,7,9,10",
        f"compute_hash_tree 2,7,8 2,0,7 sha256 {A} {A}",
        "erase 2,20,30",
        new=8192,
        patch=10,
    )


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (("zero 2,0,2", f"stash {A} 2,1,2"), "A stash in partition vendor reads a block that was"),
        (("erase 2,0,2", f"stash {A} 2,1,2"), "reads a block that was erased"),
        (("zero 2,0,1", "zero 2,0,1"), "A zero in partition vendor undoes what was written"),
        (("zero 2,0,2", "erase 2,1,3"), "An erase in partition vendor undoes what was written"),
        ((f"stash {A} 2,4,6", f"free {A}", f"free {A}"), f"A free .* needs stash {A}"),
        ((f"bsdiff 0 1 {A} {A} 2,0,2 2 2,4,6",), "patch of a bsdiff .* beyond the end"),
        ((f"imgdiff 0 0 {A} {A} 2,0,2 2 2,4,6",), "patch of an? imgdiff .* beyond the end"),
        ((f"move {A} 2,0,3 2 2,4,6",), "reads and writes different numbers of blocks"),
        (("zero 2,0,3",), "announces 2 blocks and writes 3"),
        (("new 2,0,2",), "takes 8192 bytes of new data, and new.dat has 0"),
        (("zero 2,0,2", f"compute_hash_tree 2,1,2 2,0,1 sha1 {A} {A}"), "undoes what was written"),
    ],
)
def test_lists_that_are_refused(lines: tuple[str, ...], fault: str) -> None:
    """Each rule is refused by what is broken."""
    with pytest.raises(PayloadError, match=fault):
        _check(2, *lines)


def test_compressed_new_data_have_no_known_length() -> None:
    """What brotli unpacks to is not asked."""
    _check(2, "new 2,0,2", new=None)


def test_size() -> None:
    """A partition reaches as far as something is written or erased."""
    assert _check(1, "zero 2,0,1", "erase 2,5,9").size == 9 * 4096
    assert _check(0).size == 0


def test_facts() -> None:
    """Commands are counted by name; new data are 4096 bytes a block; only some lists read."""
    facts = _check(3, "new 2,0,2", "zero 2,2,3", new=8192)
    assert (facts.version, facts.new_data_size, facts.reads) == (4, 8192, False)
    assert facts.commands == {"new": 1, "zero": 1}
    assert _check(0, f"stash {A} 2,0,2").reads


def test_blocks_are_not_named_for_ever() -> None:
    """A list that reads 64 GiB again and again does nothing that a recovery needs."""
    lines = [f"stash {A} 2,0,16777216"] * 4
    assert _check(0, *lines).reads
    with pytest.raises(PayloadError, match="partition vendor names its blocks too often"):
        _check(0, *lines, f"stash {A} 2,0,1")
