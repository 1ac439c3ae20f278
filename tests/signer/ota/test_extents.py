import pytest

from signer.ota.errors import PayloadError
from signer.ota.extents import Extent, check_extents, count_blocks, end_of


def test_arithmetic() -> None:
    """Three blocks from block 7 end before block 10."""
    assert end_of(Extent(7, 3)) == 10
    assert count_blocks([Extent(7, 3), Extent(0, 2)]) == 5


def test_extents_in_any_order() -> None:
    """Neighbours do not overlap, whatever order they come in; the last block may be used."""
    check_extents([Extent(5, 5), Extent(0, 5)], 10, "partition a")


def test_faults_name_the_place() -> None:
    """Overlaps and extents beyond the end are refused."""
    with pytest.raises(PayloadError, match="a block of partition a twice"):
        check_extents([Extent(4, 2), Extent(0, 5)], 10, "partition a")
    with pytest.raises(PayloadError, match="beyond the end of partition a"):
        check_extents([Extent(9, 2)], 10, "partition a")
