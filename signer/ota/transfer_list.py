"""Decodes the transfer list of a block-based package: the commands that write a partition.

Versions 1 to 4 are supported, as AOSP's `blockimgdiff` writes them. The first lines are the version
and the number of blocks written, and from version 2 on the numbers of stashes and of stashed
blocks. Each further line is one command.
"""

import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from signer.ota.errors import PayloadError, UnsupportedError, show_text

BLOCK_SIZE = 4096
MAX_BLOCKS = (64 << 30) // BLOCK_SIZE
MAX_RANGES = 100_000  # in one set; writers split longer sets
_NUMBERS = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:,(?:0|[1-9][0-9]{0,8}))*")

# Half-open: (first block, block after the last).
Ranges = tuple[tuple[int, int], ...]


def decode_ranges(text: str) -> Ranges:
    """Decode one set; raises PayloadError unless it is ascending, disjoint and within 64 GiB."""
    if text.count(",") > 2 * MAX_RANGES:
        raise PayloadError(f"A transfer list has a set of more than {MAX_RANGES} ranges.")
    if _NUMBERS.fullmatch(text) is None:
        raise PayloadError(f"A transfer list has {show_text(text)}, which is not a set of ranges.")
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
    """Return the total number of blocks of the ranges."""
    return sum(stop - start for start, stop in ranges)


class BlockSet:
    """A set of blocks, stored as one byte for each block up to the highest."""

    def __init__(self) -> None:
        self._blocks = bytearray()

    def overlaps(self, ranges: Ranges) -> bool:
        """Whether any of the blocks is in the set."""
        return any(self._blocks.find(1, start, stop) >= 0 for start, stop in ranges)

    def add(self, ranges: Ranges) -> None:
        """Add these blocks to the set."""
        for start, stop in ranges:
            self._blocks.extend(bytes(max(0, stop - len(self._blocks))))
            self._blocks[start:stop] = b"\1" * (stop - start)


MAX_TRANSFER_LIST = 16 << 20
MAX_LISTS_LENGTH = 32 << 20
MAX_COMMANDS = 500_000
MAX_PACKAGE_RANGES = 2_000_000
# Blocks named in all lists together, in multiples of the largest partition; updates name few.
MAX_NAMED = 4 * MAX_BLOCKS


class TransferCaps:
    """Counts the bytes, commands, ranges and named blocks of all lists of a package."""

    def __init__(self) -> None:
        self._length, self._commands, self._ranges, self._named = 0, 0, 0, 0

    def take(self, raw: bytes) -> None:
        """Count the next list before it is decoded; raises PayloadError if a total is too large."""
        self._length += len(raw)
        if self._length > MAX_LISTS_LENGTH:
            raise PayloadError(f"The transfer lists are larger than {MAX_LISTS_LENGTH >> 20} MiB.")
        self._commands += raw.count(b"\n")
        if self._commands > MAX_COMMANDS:
            raise PayloadError(f"The transfer lists have more than {MAX_COMMANDS} commands.")
        # A set of ranges has a comma before each of its numbers, and commas are nowhere else.
        self._ranges += raw.count(b",") // 2
        if self._ranges > MAX_PACKAGE_RANGES:
            raise PayloadError(f"The transfer lists have more than {MAX_PACKAGE_RANGES} ranges.")

    def take_blocks(self, count: int, where: str) -> None:
        """Count the blocks that a command names; raises PayloadError if the total is too large."""
        self._named += count
        if self._named > MAX_NAMED:
            raise PayloadError(f"The transfer list of {where} names its blocks too often.")


_NUMBER = re.compile(r"0|[1-9][0-9]{0,10}")
_SHA1 = re.compile(r"[0-9a-f]{40}")
_HEX = re.compile(r"(?:[0-9a-f]{2}){1,64}")
_TREE_ALGORITHM = re.compile(r"[a-z0-9-]{1,20}")


@dataclass(frozen=True, slots=True)
class Command:
    """One step; absent members are empty or 0.

    `sources` are blocks of the partition, `stashes` the ids of stashes it reads, `stash` the id of
    the one it makes or frees; `read_blocks` is how many blocks it reads in all. The patch is
    `patch_length` bytes at `patch_offset` of `patch.dat`.
    """

    name: str
    targets: Ranges = ()
    sources: Ranges = ()
    stashes: tuple[str, ...] = ()
    stash: str = ""
    read_blocks: int = 0
    patch_offset: int = 0
    patch_length: int = 0


@dataclass(frozen=True, slots=True)
class TransferList:
    """A list whose head is decoded; `total_blocks` is the declared number of written blocks."""

    version: int
    total_blocks: int
    raw: bytes

    def commands(self) -> Iterator[Command]:
        """Yield the commands one by one, because there can be too many to keep.

        Raises PayloadError for a malformed command, UnsupportedError for an unknown one.
        """
        for line in islice(_lines(self.raw), _head_length(self.version), None):
            yield _command(line, self.version)


class _Words:
    """The words of a line after the command's name, which are taken one by one."""

    def __init__(self, line: str, version: int) -> None:
        self.name, *self._words = line.split(" ")
        self.version = version
        self._line = line

    def fail(self) -> PayloadError:
        return PayloadError(f"A transfer list has {show_text(self._line)}, which is malformed.")

    def take(self, form: re.Pattern[str] | None = None) -> str:
        if not self._words or (form is not None and form.fullmatch(self._words[0]) is None):
            raise self.fail()
        return self._words.pop(0)

    def number(self) -> int:
        return int(self.take(_NUMBER))

    def ranges(self) -> Ranges:
        return decode_ranges(self.take())

    def stash_id(self) -> str:
        return self.take(_SHA1 if self.version >= 3 else _NUMBER)

    def rest(self) -> list[str]:
        words, self._words = self._words, []
        return words

    def end(self) -> None:
        if self._words:
            raise self.fail()


def decode_transfer_list(raw: bytes) -> TransferList:
    """Decode a list's head.

    Raises PayloadError when it is malformed, and UnsupportedError for an unknown version.
    """
    if len(raw) > MAX_TRANSFER_LIST:
        raise PayloadError("A transfer list is larger than 16 MiB.")
    lines = list(islice(_lines(raw), 4))
    version = _head(lines, 0)
    if version not in {1, 2, 3, 4}:
        raise UnsupportedError(f"A transfer list has version {version}; 1 to 4 are supported.")
    head = [_head(lines, index) for index in range(_head_length(version))]
    return TransferList(version, head[1], raw)


def _lines(raw: bytes) -> Iterator[str]:
    for line in io.BytesIO(raw):
        yield line.decode("latin-1").removesuffix("\n")


def _head_length(version: int) -> int:
    return 2 if version == 1 else 4


def _head(lines: list[str], index: int) -> int:
    if index >= len(lines) or _NUMBER.fullmatch(lines[index]) is None:
        raise PayloadError(f"Line {index + 1} of a transfer list is not a plain number.")
    return int(lines[index])


def _command(line: str, version: int) -> Command:
    words = _Words(line, version)
    known = _COMMANDS.get(words.name)
    if known is None or version < known[0]:
        raise UnsupportedError(
            f"A transfer list of version {version} has the command {show_text(words.name)}, which"
            " is not known."
        )
    command = known[1](words)
    words.end()
    return command


def _write(words: _Words) -> Command:
    return Command(words.name, targets=words.ranges())


def _stash(words: _Words) -> Command:
    stash, sources = words.stash_id(), words.ranges()
    blocks = count_range_blocks(sources)
    return Command(words.name, sources=sources, stash=stash, read_blocks=blocks)


def _free(words: _Words) -> Command:
    return Command(words.name, stash=words.stash_id())


def _move(words: _Words) -> Command:
    return _transfer(words, 0, 0, hashes=1)


def _patch(words: _Words) -> Command:
    return _transfer(words, words.number(), words.number(), hashes=2)


def _transfer(words: _Words, offset: int, length: int, *, hashes: int) -> Command:
    """Decode the blocks of a command that makes targets from sources."""
    if words.version == 1:
        sources, targets = words.ranges(), words.ranges()
        blocks = count_range_blocks(sources)
        return Command(words.name, targets, sources, (), "", blocks, offset, length)
    if words.version >= 3:
        for _ in range(hashes):
            words.take(_SHA1)
    targets, blocks = words.ranges(), words.number()
    where = words.take()
    sources = () if where == "-" else decode_ranges(where)
    stashed = words.rest()
    found = count_range_blocks(sources)
    if sources and stashed:
        # This word places the sources in the buffer; each stash states its own place.
        found_at = count_range_blocks(decode_ranges(stashed.pop(0)))
        if found_at != found or not stashed:
            raise words.fail()
    ids = []
    for word in stashed:
        stash, _, place = word.partition(":")
        if (_SHA1 if words.version >= 3 else _NUMBER).fullmatch(stash) is None:
            raise words.fail()
        found += count_range_blocks(decode_ranges(place))
        ids.append(stash)
    if found != blocks or not blocks:
        raise words.fail()
    return Command(words.name, targets, sources, tuple(ids), "", blocks, offset, length)


def _hash_tree(words: _Words) -> Command:
    command = Command(words.name, targets=words.ranges(), sources=words.ranges())
    for form in (_TREE_ALGORITHM, _HEX, _HEX):
        words.take(form)
    return command


# By name: the version that introduced the command, and the function that reads the rest of its
# line.
_COMMANDS: dict[str, tuple[int, Callable[[_Words], Command]]] = {
    "erase": (1, _write),
    "new": (1, _write),
    "zero": (1, _write),
    "move": (1, _move),
    "bsdiff": (1, _patch),
    "imgdiff": (1, _patch),
    "stash": (2, _stash),
    "free": (2, _free),
    "compute_hash_tree": (4, _hash_tree),
}
