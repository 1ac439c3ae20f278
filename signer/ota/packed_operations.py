"""Keeps operations in arrays: an incremental has some 100,000, which are large as values."""

from array import array
from collections.abc import Collection, Iterable, Iterator

from signer.ota.errors import PayloadError
from signer.ota.extents import Extent
from signer.ota.operation import Operation

# For each operation: type, data offset and length, source and target length; then where its
# extents and hashes end in the other arrays, and which of its two lengths are there.
_NUMBERS = 10
MAX_EXTENTS = 500_000


class PackedOperations(Collection[Operation]):
    """Operations in their order, each made anew as it is asked for; not changed once made.

    PayloadError when they have more than 500,000 extents.
    """

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._numbers, self._extents, self._hashes = array("Q"), array("Q"), bytearray()
        for operation in operations:
            self._pack(operation)

    def _pack(self, operation: Operation) -> None:
        for extent in (*operation.sources, *operation.targets):
            self._extents.extend((extent.start, extent.count))
        if len(self._extents) > 2 * MAX_EXTENTS:
            raise PayloadError(f"A partition of the payload has more than {MAX_EXTENTS} extents.")
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
        extent, digest = 0, 0
        for at in range(0, len(self._numbers), _NUMBERS):
            kind, offset, length, *lengths, sources, extents_end, data, hashes_end, known = (
                self._numbers[at : at + _NUMBERS]
            )
            yield Operation(
                type=kind,
                data_offset=offset,
                data_length=length,
                sources=self._unpack(extent, extent + sources),
                targets=self._unpack(extent + sources, extents_end),
                data_hash=bytes(self._hashes[digest : digest + data]),
                source_hash=bytes(self._hashes[digest + data : hashes_end]),
                source_length=lengths[0] if known & 1 else None,
                target_length=lengths[1] if known & 2 else None,
            )
            extent, digest = extents_end, hashes_end

    def _unpack(self, start: int, stop: int) -> tuple[Extent, ...]:
        return tuple(
            Extent(self._extents[at], self._extents[at + 1]) for at in range(start, stop, 2)
        )
