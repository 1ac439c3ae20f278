"""Limits what the transfer lists of one package may have together."""

from signer.ota.block_ranges import MAX_BLOCKS
from signer.ota.errors import PayloadError

MAX_TRANSFER_LIST = 16 << 20
MAX_LISTS_LENGTH = 32 << 20
MAX_COMMANDS = 500_000
MAX_RANGES = 2_000_000
# How often the lists may name the blocks of the largest partition; a recovery needs a few times.
MAX_NAMED = 4 * MAX_BLOCKS


class TransferCaps:
    """Counts bytes, commands, ranges and named blocks of one list after the other."""

    def __init__(self) -> None:
        self._length, self._commands, self._ranges, self._named = 0, 0, 0, 0

    def take(self, raw: bytes) -> None:
        """Take the next list before it is decoded; PayloadError when all so far have too much."""
        self._length += len(raw)
        if self._length > MAX_LISTS_LENGTH:
            raise PayloadError(f"The transfer lists are larger than {MAX_LISTS_LENGTH >> 20} MiB.")
        self._commands += raw.count(b"\n")
        if self._commands > MAX_COMMANDS:
            raise PayloadError(f"The transfer lists have more than {MAX_COMMANDS} commands.")
        # A set of ranges has a comma before each of its numbers, and commas are nowhere else.
        self._ranges += raw.count(b",") // 2
        if self._ranges > MAX_RANGES:
            raise PayloadError(f"The transfer lists have more than {MAX_RANGES} ranges.")

    def take_blocks(self, count: int, where: str) -> None:
        """Take the blocks that a command names; PayloadError when all so far are too many."""
        self._named += count
        if self._named > MAX_NAMED:
            raise PayloadError(f"The transfer list of {where} names its blocks too often.")
