"""Sets of block ranges as transfer lists write them: `COUNT,start,stop,start,stop,…`."""

import re
from collections.abc import Iterable

from signer.ota.errors import PayloadError
from signer.ota.sentences import show_text

BLOCK_SIZE = 4096
MAX_BLOCKS = (64 << 30) // BLOCK_SIZE
MAX_RANGES = 100_000  # of one set; writers split what is longer
_NUMBERS = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:,(?:0|[1-9][0-9]{0,8}))*")

# Half-open: (first block, block after the last).
Ranges = tuple[tuple[int, int], ...]


def decode_ranges(text: str) -> Ranges:
    """Decode one set; PayloadError unless it is ascending, disjoint and within 64 GiB."""
    if text.count(",") > 2 * MAX_RANGES:
        raise PayloadError(f"A transfer list has a set of more than {MAX_RANGES} ranges.")
    if _NUMBERS.fullmatch(text) is None:
        raise PayloadError(f"A transfer list has {show_text(text)}, which is no set of ranges.")
    count, *numbers = map(int, text.split(","))
    if count != len(numbers) or count % 2 or not count:
        raise PayloadError(
            f"A transfer list has {show_text(text)}, which counts its numbers wrongly."
        )
    ranges = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    at = 0
    for start, stop in ranges:
        if not at <= start < stop:
            raise PayloadError(
                f"A transfer list has {show_text(text)}, whose ranges do not ascend."
            )
        at = stop
    if at > MAX_BLOCKS:
        raise PayloadError(f"A transfer list names block {at - 1}, beyond the largest partition.")
    return ranges


def count_range_blocks(ranges: Iterable[tuple[int, int]]) -> int:
    """Return how many blocks the ranges have together."""
    return sum(stop - start for start, stop in ranges)


class BlockSet:
    """Blocks that something has happened to: one byte a block, as far as anything has happened."""

    def __init__(self) -> None:
        self._blocks = bytearray()

    def overlaps(self, ranges: Ranges) -> bool:
        """Whether any of the blocks is in the set."""
        return any(self._blocks.find(1, start, stop) >= 0 for start, stop in ranges)

    def add(self, ranges: Ranges) -> None:
        """Take these blocks in; those that are in the set already stay."""
        for start, stop in ranges:
            self._blocks.extend(bytes(max(0, stop - len(self._blocks))))
            self._blocks[start:stop] = b"\1" * (stop - start)
