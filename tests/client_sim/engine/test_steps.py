import io

import pytest

from client_sim.engine.manifest import (
    BLOCK_SIZE,
    Extent,
    ImageInfo,
    Operation,
    OperationType,
    Partition,
)
from client_sim.engine.steps import Step, TargetImage
from client_sim.engine.workers import MEMORY_BYTES

MIB = 1024 * 1024


def _step(kind, data, result):
    operation = Operation(kind, 0, data, (), (Extent(0, result // BLOCK_SIZE),), None, None)
    partition = Partition("system", ImageInfo(result, b""), None, (operation,))
    return Step(operation, TargetImage(partition, io.BytesIO(), None))


@pytest.mark.parametrize(
    ("result", "memory"), [(2 * MIB, 2 * MIB), (64 * MIB, 64 * MIB), (256 * MIB, 64 * MIB)]
)
def test_an_xz_operation_counts_its_dictionary(result, memory):
    """It holds as much as it has decoded, at most the 64 MiB of `xz -9`; the result is not held."""
    assert _step(OperationType.REPLACE_XZ, 1000, result).memory == 1000 + memory


def test_large_xz_operations_run_alone():
    """However small their data is: two of 64 MiB together are beyond what threads may hold."""
    step = _step(OperationType.REPLACE_XZ, 1000, 64 * MIB)
    assert 2 * step.memory > MEMORY_BYTES


@pytest.mark.parametrize("kind", [OperationType.REPLACE, OperationType.REPLACE_BZ])
def test_other_data_counts_as_it_is(kind):
    """Data is written piece by piece, however large the result is."""
    assert _step(kind, 1000, 64 * MIB).memory == 1000
