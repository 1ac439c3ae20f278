"""Operations of a payload: their types and versions, the blocks they use, compact storage."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from struct import Struct

from signer.ota.errors import PayloadError


# Not frozen, which would double the time to make one; there can be a million of them.
@dataclass(slots=True)
class Extent:
    """A run of blocks; instances are never changed."""

    start: int
    count: int


def end_of(extent: Extent) -> int:
    """Return the number of the first block after the extent."""
    return extent.start + extent.count


def count_blocks(extents: Iterable[Extent]) -> int:
    """Return the total number of blocks of the extents."""
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


@dataclass(frozen=True, slots=True)
class OperationType:
    """An operation type: number on the wire, name, and the first minor version that has it."""

    number: int
    name: str
    since: int
    reads_source: bool
    has_data: bool


_ALL = (
    OperationType(0, "REPLACE", 0, reads_source=False, has_data=True),
    OperationType(1, "REPLACE_BZ", 0, reads_source=False, has_data=True),
    OperationType(2, "MOVE", 1, reads_source=True, has_data=False),
    OperationType(3, "BSDIFF", 1, reads_source=True, has_data=True),
    OperationType(4, "SOURCE_COPY", 2, reads_source=True, has_data=False),
    OperationType(5, "SOURCE_BSDIFF", 2, reads_source=True, has_data=True),
    OperationType(6, "ZERO", 4, reads_source=False, has_data=False),
    OperationType(7, "DISCARD", 4, reads_source=False, has_data=False),
    OperationType(8, "REPLACE_XZ", 0, reads_source=False, has_data=True),
    OperationType(9, "PUFFDIFF", 5, reads_source=True, has_data=True),
    OperationType(10, "BROTLI_BSDIFF", 4, reads_source=True, has_data=True),
    OperationType(11, "ZUCCHINI", 8, reads_source=True, has_data=True),
    OperationType(12, "LZ4DIFF_BSDIFF", 9, reads_source=True, has_data=True),
    OperationType(13, "LZ4DIFF_PUFFDIFF", 9, reads_source=True, has_data=True),
)
OPERATION_TYPES = {each.number: each for each in _ALL}
# Operations that the phone of docs/FORMATS.md does not support and others may; hash trees
# (`verity`) are optional, too.
OPTIONAL_NAMES = frozenset({"PUFFDIFF", "ZUCCHINI", "LZ4DIFF_BSDIFF", "LZ4DIFF_PUFFDIFF"})
VERITY = "verity"
FULL_TYPES = frozenset({"REPLACE", "REPLACE_BZ", "REPLACE_XZ"})
# In-place updates of devices without slots; A/B devices do not apply them.
IN_PLACE_TYPES = frozenset({"MOVE", "BSDIFF"})
# The newest minor version whose rules are known here; a newer one is only reported.
MAX_MINOR_VERSION = 9
# From this minor version on, each operation that reads the source has the hash of the bytes
# expected there.
SOURCE_HASH_MINOR_VERSION = 3


def operation_name(number: int) -> str:
    """Return the type's name, or `unknown-N` for an unknown type."""
    known = OPERATION_TYPES.get(number)
    return known.name if known else f"unknown-{number}"


# Not frozen, which would double the time to make one; there can be 200,000 of them.
@dataclass(slots=True)
class Operation:
    """One step that writes `targets`; `data` is `data_length` bytes at `data_offset` of the blobs.

    The hashes are 32 bytes, or empty when absent; `source_length` and `target_length` are None
    when the manifest leaves them out.
    """

    type: int
    data_offset: int
    data_length: int
    sources: tuple[Extent, ...]
    targets: tuple[Extent, ...]
    data_hash: bytes
    source_hash: bytes
    source_length: int | None
    target_length: int | None

    @property
    def name(self) -> str:
        """The type's name, for people."""
        return operation_name(self.type)

    @property
    def is_known(self) -> bool:
        """Whether this version knows the operation."""
        return self.type in OPERATION_TYPES


# Each operation has: type, data offset and length, source and target length; twice the number of
# source extents, the end of its extents, the length of its data hash, the end of its hashes; and
# bits that say which of the two lengths are set.
_NUMBERS = 10
_RECORD = Struct(f"{_NUMBERS}Q")


class PackedOperations:
    """Immutable sequence of operations, each of which is unpacked on request."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._numbers, self._extents, self._hashes = array("Q"), array("Q"), bytearray()
        for operation in operations:
            self._pack(operation)

    def _pack(self, operation: Operation) -> None:
        extents, hashes, sources = self._extents, self._hashes, operation.sources
        for extent in sources:
            extents.append(extent.start)
            extents.append(extent.count)
        for extent in operation.targets:
            extents.append(extent.start)
            extents.append(extent.count)
        data_hash = operation.data_hash
        if data_hash or operation.source_hash:
            hashes += data_hash + operation.source_hash
        source, target = operation.source_length, operation.target_length
        self._numbers.extend(
            (
                operation.type,
                operation.data_offset,
                operation.data_length,
                source or 0,
                target or 0,
                2 * len(sources),
                len(extents),
                len(data_hash),
                len(hashes),
                (source is not None) | (target is not None) << 1,
            )
        )

    def __len__(self) -> int:
        return len(self._numbers) // _NUMBERS

    def __iter__(self) -> Iterator[Operation]:
        return self._operations(with_data=False)

    def with_data(self) -> Iterator[Operation]:
        """Yield the operations that have data."""
        return self._operations(with_data=True)

    def count_types(self) -> Counter[int]:
        """Count the operations by type."""
        return Counter(self._numbers[::_NUMBERS])

    def _operations(self, *, with_data: bool) -> Iterator[Operation]:
        extent = digest = 0  # each operation begins where the previous one ends
        for (
            kind,
            offset,
            length,
            source,
            target,
            sources,
            end,
            data,
            hashes_end,
            known,
        ) in _RECORD.iter_unpack(self._numbers):
            if length or not with_data:
                hashes = bytes(self._hashes[digest:hashes_end]) if hashes_end > digest else b""
                middle = extent + sources
                yield Operation(
                    kind,
                    offset,
                    length,
                    self._unpack(extent, middle) if sources else (),
                    self._unpack(middle, end),
                    hashes[:data],
                    hashes[data:],
                    source if known & 1 else None,
                    target if known & 2 else None,
                )
            extent, digest = end, hashes_end

    def _unpack(self, start: int, stop: int) -> tuple[Extent, ...]:
        numbers = self._extents
        if stop - start == 2:  # the usual case
            return (Extent(numbers[start], numbers[start + 1]),)
        return tuple([Extent(numbers[at], numbers[at + 1]) for at in range(start, stop, 2)])
