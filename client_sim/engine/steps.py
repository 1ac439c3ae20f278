"""One operation together with the images that it reads and writes."""

from dataclasses import dataclass
from typing import BinaryIO, Final

from client_sim.engine.disk import Disk
from client_sim.engine.manifest import Operation, OperationType, Partition
from client_sim.engine.operations import apply_operation

_PATCHES: Final = (OperationType.SOURCE_BSDIFF, OperationType.BROTLI_BSDIFF)
# That of `xz -9`, the largest that a decoder may take.
_MAX_DICTIONARY: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class TargetImage:
    """One partition: what it must become, the open new image, and the open old one if any."""

    partition: Partition
    new: BinaryIO
    old: BinaryIO | None


@dataclass(frozen=True, slots=True)
class Step:
    """One operation and the image that it writes to."""

    operation: Operation
    image: TargetImage

    @property
    def memory(self) -> int:
        """About how many bytes it holds while it is carried out."""
        operation = self.operation
        if operation.type in _PATCHES:
            return operation.data_length + operation.src_bytes + 2 * operation.dst_bytes
        if operation.type == OperationType.REPLACE_XZ:
            # The decoder's dictionary, which holds no more than there is to decode.
            return operation.data_length + min(operation.dst_bytes, _MAX_DICTIONARY)
        return operation.data_length


def apply_step(step: Step, data: bytes | bytearray, disk: Disk) -> None:
    """Carry out one step; raises as `apply_operation` does."""
    apply_operation(step.operation, data, step.image.old, step.image.new, disk)
