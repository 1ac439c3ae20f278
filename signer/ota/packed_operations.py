"""Keeps operations in arrays: an incremental has some 100,000, which are large as values."""

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from struct import Struct

from signer.ota.extents import Extent
from signer.ota.operation import Operation

# For each operation: type, data offset and length, source and target length; then where its
# extents and hashes end in the other arrays, and which of its two lengths are there.
_NUMBERS = 10
_RECORD = Struct(f"{_NUMBERS}Q")


class PackedOperations(Collection[Operation]):
    """Operations in their order, each made anew as it is asked for; not changed once made."""

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

    def __contains__(self, operation: object) -> bool:
        return any(operation == each for each in self)

    def __iter__(self) -> Iterator[Operation]:
        return self._operations(with_data=False)

    def with_data(self) -> Iterator[Operation]:
        """Make those that have data."""
        return self._operations(with_data=True)

    def count_types(self) -> Counter[int]:
        """Count the operations by type."""
        return Counter(self._numbers[::_NUMBERS])

    def _operations(self, *, with_data: bool) -> Iterator[Operation]:
        extent = digest = 0  # where the operation before ends, this one begins
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
        if stop - start == 2:  # as most are
            return (Extent(numbers[start], numbers[start + 1]),)
        return tuple([Extent(numbers[at], numbers[at + 1]) for at in range(start, stop, 2)])
