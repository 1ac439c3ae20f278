"""Arithmetic on runs of blocks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from signer.ota.errors import PayloadError


# Not frozen, which would double the time that making one takes; there can be a million of them.
@dataclass(slots=True)
class Extent:
    """A run of blocks; nothing changes one that is made."""

    start: int
    count: int


def end_of(extent: Extent) -> int:
    """Return the number of the first block after the extent."""
    return extent.start + extent.count


def count_blocks(extents: Iterable[Extent]) -> int:
    """Return how many blocks the extents have together."""
    return sum(extent.count for extent in extents)


def check_extents(extents: Sequence[Extent], blocks: int, where: str) -> None:
    """Raise PayloadError unless the extents do not overlap and end at `blocks` or before."""
    ordered = sorted([(extent.start, extent.start + extent.count) for extent in extents])
    at = 0
    for start, end in ordered:
        if end > blocks:
            raise PayloadError(f"The payload writes beyond the end of {where}.")
        if start < at:
            raise PayloadError(f"The payload writes a block of {where} twice.")
        at = end
