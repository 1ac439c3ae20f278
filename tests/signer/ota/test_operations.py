import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from signer.ota.operations import OPERATION_TYPES, Extent, Operation, PackedOperations

NUMBERS = st.integers(0, (1 << 64) - 1)
EXTENTS = st.lists(st.builds(Extent, NUMBERS, NUMBERS), max_size=3).map(tuple)
OPERATIONS = st.builds(
    Operation,
    *(NUMBERS, NUMBERS, NUMBERS, EXTENTS, EXTENTS, st.binary(max_size=40), st.binary(max_size=40)),
    *(st.none() | NUMBERS, st.none() | NUMBERS),
)


@given(st.lists(OPERATIONS, max_size=6))
def test_packed_operations_round_trip(operations: list[Operation]) -> None:
    """Any operations can be read back, and repeatedly."""
    packed = PackedOperations(operations)
    assert len(packed) == len(operations)
    assert list(packed) == operations
    assert list(packed) == operations
    assert all(each in packed for each in operations)


def _copy(at: int) -> Operation:
    extent = (Extent(at << 10, 1 << 10),)
    return Operation(4, 0, 0, extent, extent, b"", at.to_bytes(32), None, None)


def test_packed_operations_take_little_memory() -> None:
    """Each operation takes less than 250 bytes."""
    tracemalloc.start()
    try:
        packed = PackedOperations(map(_copy, range(20_000)))
        assert tracemalloc.get_traced_memory()[1] < 20_000 * 250
    finally:
        tracemalloc.stop()
    assert sum(each.targets[0].count for each in packed) == 20_000 << 10


def test_operations_with_data() -> None:
    """Operations with data and the types are counted without unpacking the others."""
    packed = PackedOperations([_copy(0), _replacement(1), _copy(2), _replacement(3)])
    assert list(packed.with_data()) == [_replacement(1), _replacement(3)]
    assert packed.count_types() == {4: 2, 0: 2}


def _replacement(at: int) -> Operation:
    return Operation(0, at, 4096, (), (Extent(at, 1),), bytes(32), b"", None, None)


def test_operation_types() -> None:
    """Number, name and first minor version of each type are those of the format's table."""
    assert {number: (each.name, each.since) for number, each in OPERATION_TYPES.items()} == {
        0: ("REPLACE", 0),
        1: ("REPLACE_BZ", 0),
        2: ("MOVE", 1),
        3: ("BSDIFF", 1),
        4: ("SOURCE_COPY", 2),
        5: ("SOURCE_BSDIFF", 2),
        6: ("ZERO", 4),
        7: ("DISCARD", 4),
        8: ("REPLACE_XZ", 0),
        9: ("PUFFDIFF", 5),
        10: ("BROTLI_BSDIFF", 4),
        11: ("ZUCCHINI", 8),
        12: ("LZ4DIFF_BSDIFF", 9),
        13: ("LZ4DIFF_PUFFDIFF", 9),
    }
