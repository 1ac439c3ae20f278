"""Keeps operations in arrays: an incremental has some 100,000, which are large as values."""

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from signer.ota.extents import Extent
from signer.ota.operation import Operation

# For each operation: type, data offset and length, source and target length; then where its
# extents and hashes end in the other arrays, and which of its two lengths are there.
_NUMBERS = 10


class PackedOperations(Collection[Operation]):
    """Operations in their order, each made anew as it is asked for; not changed once made."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._numbers, self._extents, self._hashes = array("Q"), array("Q"), bytearray()
        for operation in operations:
            self._pack(operation)

    def _pack(self, operation: Operation) -> None:
        for extent in (*operation.sources, *operation.targets):
            self._extents.extend((extent.start, extent.count))
        self._hashes += operation.data_hash + operation.source_hash
        lengths = (operation.source_length, operation.target_length)
        self._numbers.extend(
            (
                *(operation.type, operation.data_offset, operation.data_length),
                *(length or 0 for length in lengths),
                *(2 * len(operation.sources), len(self._extents)),
                *(len(operation.data_hash), len(self._hashes)),
                sum(1 << bit for bit, length in enumerate(lengths) if length is not None),
            )
        )

    def __len__(self) -> int:
        return len(self._numbers) // _NUMBERS

    def __contains__(self, operation: object) -> bool:
        return any(operation == each for each in self)

    def __iter__(self) -> Iterator[Operation]:
        return map(self._operation, range(0, len(self._numbers), _NUMBERS))

    def with_data(self) -> Iterator[Operation]:
        """Make those that have data."""
        lengths = self._numbers[2::_NUMBERS]
        return (self._operation(at * _NUMBERS) for at, length in enumerate(lengths) if length)

    def count_types(self) -> Counter[int]:
        """Count the operations by type."""
        return Counter(self._numbers[::_NUMBERS])

    def _operation(self, at: int) -> Operation:
        kind, offset, length, source, target, sources, extents_end, data, hashes_end, known = (
            self._numbers[at : at + _NUMBERS]
        )
        # Where the operation before ends, this one begins.
        extent, digest = (self._numbers[at - 4], self._numbers[at - 2]) if at else (0, 0)
        hashes = bytes(self._hashes[digest:hashes_end])
        return Operation(
            *(kind, offset, length),
            self._unpack(extent, extent + sources),
            self._unpack(extent + sources, extents_end),
            *(hashes[:data], hashes[data:]),
            source if known & 1 else None,
            target if known & 2 else None,
        )

    def _unpack(self, start: int, stop: int) -> tuple[Extent, ...]:
        if stop - start == 2:  # as most are
            return (Extent(self._extents[start], self._extents[start + 1]),)
        return tuple(
            Extent(self._extents[at], self._extents[at + 1]) for at in range(start, stop, 2)
        )
