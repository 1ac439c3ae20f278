"""Arithmetic on runs of blocks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from signer.ota.errors import PayloadError


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of blocks."""

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
    ordered = sorted(extents, key=lambda each: each.start)
    for extent in ordered:
        if end_of(extent) > blocks:
            raise PayloadError(f"The payload writes beyond the end of {where}.")
    if any(end_of(first) > second.start for first, second in pairwise(ordered)):
        raise PayloadError(f"The payload writes a block of {where} twice.")
