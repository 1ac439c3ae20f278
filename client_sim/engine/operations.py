"""Applies one operation of a payload: writes blocks of the new image from data or the old image.

The new image starts as a sparse file of zeros, so blocks of zeros are not written and stay holes.
Hashes are checked before the first byte of an operation is written.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO, Final, Self

from client_sim.engine.bsdiff import apply_patch
from client_sim.engine.decompression import Compression, check_filters, iter_decompressed
from client_sim.engine.errors import ApplyError, PackageError
from client_sim.engine.journal import Disk
from client_sim.engine.manifest import BLOCK_SIZE, Extent, Operation, OperationType, Partition

_CHUNK: Final = 256 * BLOCK_SIZE
_ZERO_BLOCK: Final = bytes(BLOCK_SIZE)

_COMPRESSIONS: Final = {
    OperationType.REPLACE: Compression.NONE,
    OperationType.REPLACE_BZ: Compression.BZ2,
    OperationType.REPLACE_XZ: Compression.XZ,
}


def apply_operation(
    operation: Operation,
    data: bytes | bytearray,
    source: BinaryIO | None,
    target: BinaryIO,
    disk: Disk,
) -> None:
    """Write the destination extents of a checked operation into `target`.

    `data` is the operation's data. `source` is the old image, open for reading, or None if the
    partition has none. `target` is the new image in its full size, zero in the blocks that this
    operation writes. Files are accessed by position, so several threads may share them. Raises
    PackageError if the data does not match the manifest, ApplyError if the old image does not.
    """
    match operation.type:
        case OperationType.ZERO | OperationType.DISCARD:
            # The target is zero already. DISCARD leaves the content undefined, but the manifest's
            # hash assumes zeros.
            return
        case OperationType.REPLACE | OperationType.REPLACE_BZ | OperationType.REPLACE_XZ:
            _check_data(operation, data)
            compression = _COMPRESSIONS[operation.type]
            if compression is Compression.XZ:
                check_filters(data)
            pieces: Iterator[bytes | bytearray] = iter_decompressed(
                compression, [data], operation.dst_bytes
            )
        case OperationType.SOURCE_COPY:
            _check_source(operation, source)
            pieces = _iter_extents(source, operation.src)
        case OperationType.SOURCE_BSDIFF | OperationType.BROTLI_BSDIFF:
            _check_data(operation, data)
            _check_source(operation, source)
            old = b"".join(_iter_extents(source, operation.src))
            pieces = iter([apply_patch(old, data, operation.dst_bytes)])
        case _:
            raise PackageError(f"The operation {operation.type.name} was not refused in time.")
    _write_extents(pieces, operation, target, disk)


def _check_data(operation: Operation, data: bytes | bytearray) -> None:
    if hashlib.sha256(data).digest() != operation.data_sha256:
        raise PackageError(f"The data of a {operation.type.name} operation is damaged.")


def _check_source(operation: Operation, source: BinaryIO | None) -> None:
    if operation.src_sha256 is None:
        return
    digest = hashlib.sha256()
    for piece in _iter_extents(source, operation.src):
        digest.update(piece)
    if digest.digest() != operation.src_sha256:
        raise ApplyError(
            "The running build is not the one that this incremental package starts from."
        )


def _iter_extents(source: BinaryIO | None, extents: tuple[Extent, ...]) -> Iterator[bytes]:
    """Yield the bytes of the extents of the old image, in pieces of at most a megabyte."""
    if source is None:
        raise ApplyError("There is no old image for an operation that needs one.")
    for extent in extents:
        position = extent.start * BLOCK_SIZE
        end = position + extent.count * BLOCK_SIZE
        while position < end:
            piece = os.pread(source.fileno(), min(end - position, _CHUNK), position)
            if not piece:
                raise ApplyError("An old image on this phone is shorter than it was.")
            position += len(piece)
            yield piece


def _write_extents(
    pieces: Iterator[bytes | bytearray], operation: Operation, target: BinaryIO, disk: Disk
) -> None:
    """Write the pieces to the destination extents, which they must fill exactly."""
    places = (
        (extent.start * BLOCK_SIZE, (extent.start + extent.count) * BLOCK_SIZE)
        for extent in operation.dst
    )
    position = end = 0
    for piece in pieces:
        offset = 0
        while offset < len(piece):
            if position == end:
                position, end = next(places, (0, 0))
            if position == end:
                raise PackageError(f"The data of a {operation.type.name} operation is too long.")
            size = min(len(piece) - offset, end - position)
            _write_sparse(target, position, memoryview(piece)[offset : offset + size], disk)
            position += size
            offset += size
    if position < end or next(places, None) is not None:
        raise PackageError(f"The data of a {operation.type.name} operation is too short.")


def _write_sparse(target: BinaryIO, position: int, data: memoryview, disk: Disk) -> None:
    """Write `data` except whole blocks of zeros, which stay holes."""
    start = None
    offset = 0
    while offset < len(data):
        stop = min(len(data), offset + BLOCK_SIZE - (position + offset) % BLOCK_SIZE)
        block = bytes(data[offset:stop])
        if len(block) < BLOCK_SIZE or block != _ZERO_BLOCK:
            start = offset if start is None else start
        elif start is not None:
            disk.write_at(target, position + start, data[start:offset])
            start = None
        offset = stop
    if start is not None:
        disk.write_at(target, position + start, data[start:])


_PATCHES: Final = (OperationType.SOURCE_BSDIFF, OperationType.BROTLI_BSDIFF)
# The dictionary of `xz -9`, the largest that a decoder accepts.
_MAX_DICTIONARY: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class TargetImage:
    """One partition: its description, the open new image, and the open old image or None."""

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
        """Approximate memory in bytes while the step is applied."""
        operation = self.operation
        if operation.type in _PATCHES:
            return operation.data_length + operation.src_bytes + 2 * operation.dst_bytes
        if operation.type == OperationType.REPLACE_XZ:
            # The decoder's dictionary is not larger than the decoded data.
            return operation.data_length + min(operation.dst_bytes, _MAX_DICTIONARY)
        return operation.data_length


def apply_step(step: Step, data: bytes | bytearray, disk: Disk) -> None:
    """Apply one step; raises like `apply_operation`."""
    apply_operation(step.operation, data, step.image.old, step.image.new, disk)


# Maximum total memory of running operations; a larger operation runs alone.
MEMORY_BYTES: Final = 8 * 1024 * 1024
# Memory of a started operation besides its data. It matters, because a package of 20 MB can have
# 200,000 operations.
_OVERHEAD_BYTES: Final = 4096
# More concurrent decoders would need too much memory for their dictionaries.
_MAX_THREADS: Final = 4


class Workers:
    """A pool of threads with a limit on memory; the context manager waits for all jobs at exit."""

    def __init__(self, threads: int | None = None) -> None:
        count = threads or min(_MAX_THREADS, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="engine")
        self._memory_in_use = 0
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True)

    def start(self, job: Callable[[], None], memory: int) -> Future[None]:
        """Run `job`, which needs `memory` bytes, in a thread; block until they are available."""
        memory += _OVERHEAD_BYTES
        with self._changed:
            self._changed.wait_for(
                lambda: self._memory_in_use == 0 or self._memory_in_use + memory <= MEMORY_BYTES
            )
            self._memory_in_use += memory
        future = self._pool.submit(job)
        future.add_done_callback(lambda _: self._give_back(memory))
        return future

    def _give_back(self, memory: int) -> None:
        with self._changed:
            self._memory_in_use -= memory
            self._changed.notify_all()
