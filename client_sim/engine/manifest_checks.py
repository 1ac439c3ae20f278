"""Checks of a manifest that do not need the payload's data.

They run before anything is written. The rules are those of AOSP's update_engine and
delta_generator. If the two differ, the stricter rule applies, so that a real phone accepts every
package that the simulated phone accepts.
"""

import enum
from collections.abc import Callable
from itertools import pairwise
from typing import Final

from client_sim.engine.errors import PackageError, UnsupportedError
from client_sim.engine.manifest import (
    BLOCK_SIZE,
    Extent,
    Manifest,
    Operation,
    OperationType,
    Partition,
)

# Memory limit of one operation; delta_generator splits operations at 200 MiB or less.
MAX_OPERATION_BYTES: Final = 256 * 1024 * 1024
# Larger than any partition of a phone; prevents sparse files of exabytes from hostile sizes.
MAX_PARTITION_BYTES: Final = 64 * 1024 * 1024 * 1024

# The minor version that introduced each operation that this engine supports.
FIRST_MINOR: Final = {
    OperationType.REPLACE: 0,
    OperationType.REPLACE_BZ: 0,
    OperationType.REPLACE_XZ: 0,
    OperationType.SOURCE_COPY: 2,
    OperationType.SOURCE_BSDIFF: 2,
    OperationType.ZERO: 4,
    OperationType.DISCARD: 4,
    OperationType.BROTLI_BSDIFF: 4,
}
_NEEDS_DATA: Final = frozenset(
    {
        OperationType.REPLACE,
        OperationType.REPLACE_BZ,
        OperationType.REPLACE_XZ,
        OperationType.SOURCE_BSDIFF,
        OperationType.BROTLI_BSDIFF,
    }
)
_NEEDS_SOURCE: Final = frozenset(
    {
        OperationType.SOURCE_COPY,
        OperationType.SOURCE_BSDIFF,
        OperationType.BROTLI_BSDIFF,
    }
)


def check_manifest(manifest: Manifest, blobs_size: int) -> None:
    """Check that the manifest can be applied with `blobs_size` bytes of data after it.

    The checks cover block size, minor version, operation types, sizes, extents, data ranges and the
    place of the payload signature. Raises UnsupportedError for features that this engine does not
    have, PackageError for inconsistencies.
    """
    if manifest.block_size != BLOCK_SIZE:
        raise UnsupportedError(f"The payload has blocks of {manifest.block_size} bytes, not 4096.")
    _check_versions(manifest)
    if not manifest.partitions:
        raise PackageError("The payload updates no partition.")
    # Names become file names, and a file system may ignore case.
    names = {partition.name.lower() for partition in manifest.partitions}
    if len(names) != len(manifest.partitions):
        raise PackageError("The payload lists a partition twice.")
    for partition in manifest.partitions:
        _check_partition(partition, manifest.minor_version)
    _check_data_ranges(manifest, blobs_size)


def _check_versions(manifest: Manifest) -> None:
    if manifest.is_partial:
        raise UnsupportedError("The payload is a partial update, which this phone does not take.")
    minor = manifest.minor_version
    if manifest.is_delta and not 2 <= minor <= 9:
        raise UnsupportedError(
            f"The payload is an incremental of minor version {minor}, not 2 to 9."
        )
    if not manifest.is_delta and minor != 0:
        raise UnsupportedError(f"The payload is a full one with minor version {minor}, not 0.")


def _check_partition(partition: Partition, minor: int) -> None:
    name = partition.name
    if partition.computes_verity:
        raise UnsupportedError(
            f"Partition {name} asks the phone to compute verity data, which it does not do."
        )
    for image in filter(None, (partition.new, partition.old)):
        if not 0 < image.size <= MAX_PARTITION_BYTES or image.size % BLOCK_SIZE:
            raise PackageError(f"Partition {name} has an impossible size of {image.size} bytes.")
    for operation in partition.operations:
        _check_type(operation, partition, minor)
        _check_operation(operation, partition)
    _check_coverage(partition)


def _check_type(operation: Operation, partition: Partition, minor: int) -> None:
    first = FIRST_MINOR.get(operation.type)
    if first is None:
        raise UnsupportedError(
            f"Partition {partition.name} needs the operation {operation.type.name},"
            " which this phone cannot do."
        )
    if minor < first:
        raise UnsupportedError(
            f"Partition {partition.name} uses {operation.type.name},"
            f" which a payload of minor version {minor} must not."
        )


def _check_operation(operation: Operation, partition: Partition) -> None:
    subject = f"A {operation.type.name} operation of partition {partition.name}"
    _check_extents(operation.dst, partition.new.size, subject)
    if operation.type in _NEEDS_DATA:
        if operation.data_length == 0 or operation.data_sha256 is None:
            raise PackageError(f"{subject} has no data or no sha256 of it.")
        if max(operation.data_length, operation.dst_bytes) > MAX_OPERATION_BYTES:
            raise UnsupportedError(f"{subject} is larger than {MAX_OPERATION_BYTES >> 20} MiB.")
    elif operation.data_length:
        raise PackageError(f"{subject} has data, which it must not.")
    if operation.type in _NEEDS_SOURCE:
        if partition.old is None:
            raise PackageError(f"{subject} reads an old image that the manifest does not name.")
        _check_extents(operation.src, partition.old.size, subject)
    elif operation.src:
        raise PackageError(f"{subject} has a source, which it must not.")
    _check_lengths(operation, subject)
    if operation.type is OperationType.REPLACE and operation.data_length != operation.dst_bytes:
        raise PackageError(
            f"{subject} has {operation.data_length} bytes for {operation.dst_bytes}."
        )


def _check_lengths(operation: Operation, subject: str) -> None:
    """Check the sizes of source and result; the manifest need not state them."""
    if operation.type is OperationType.SOURCE_COPY and operation.src_bytes != operation.dst_bytes:
        raise PackageError(f"{subject} copies between ranges of different sizes.")
    if operation.type in _NEEDS_DATA and operation.src_bytes > MAX_OPERATION_BYTES:
        raise UnsupportedError(f"{subject} is larger than {MAX_OPERATION_BYTES >> 20} MiB.")
    if operation.src_length not in {None, operation.src_bytes}:
        raise PackageError(f"{subject} contradicts itself about the size of its source.")
    if operation.dst_length not in {None, operation.dst_bytes}:
        raise PackageError(f"{subject} contradicts itself about the size of its result.")


def _check_extents(extents: tuple[Extent, ...], size: int, subject: str) -> None:
    if not extents:
        raise PackageError(f"{subject} names no blocks.")
    blocks = size // BLOCK_SIZE
    for extent in extents:
        if extent.count == 0 or extent.start + extent.count > blocks:
            raise PackageError(f"{subject} reaches outside the partition.")


def _check_coverage(partition: Partition) -> None:
    """Check that every block is written exactly once; a skipped block would keep stale bytes."""
    extents = sorted(
        (extent.start, extent.start + extent.count)
        for operation in partition.operations
        for extent in operation.dst
    )
    for (_, end), (start, _) in pairwise(extents):
        if start < end:
            raise PackageError(f"Partition {partition.name} has blocks that are written twice.")
    if sum(end - start for start, end in extents) != partition.new.size // BLOCK_SIZE:
        raise PackageError(f"Partition {partition.name} has blocks that are never written.")


def _check_data_ranges(manifest: Manifest, blobs_size: int) -> None:
    """Check that data is in the order of the operations, because a phone reads it as a stream."""
    position = 0
    for partition in manifest.partitions:
        for operation in partition.operations:
            if operation.data_length == 0:
                continue
            if operation.data_offset != position:
                raise PackageError(
                    f"The data of partition {partition.name} is not in the order of its operations."
                )
            position += operation.data_length
    if position > blobs_size:
        raise PackageError("The payload is cut short: its operations name data beyond its end.")
    if (manifest.signatures_offset is None) != (manifest.signatures_size is None):
        raise PackageError("The manifest names half of a payload signature.")
    if manifest.signatures_offset is not None and manifest.signatures_size is not None:
        if manifest.signatures_offset != position:
            raise PackageError("The payload signature does not follow the data.")
        position += manifest.signatures_size
    if position != blobs_size:
        raise PackageError("The payload does not end where its manifest says.")


class Rules(enum.StrEnum):
    """A group of rules; FORMATS lists the rules of each group."""

    FILES = "files"
    METADATA = "metadata"
    PROPERTIES = "properties"
    HEADER = "header"
    MANIFEST = "manifest"
    OPERATIONS = "operations"
    SIGNATURES = "signatures"
    PHONE = "phone"
    DATA = "data"
    IMAGES = "images"


Note = Callable[[Rules], None]
"""Called right before the rules of a group are checked."""


def note_nothing(_: Rules) -> None:
    """Record nothing: the default on a phone."""


class RecordedRules:
    """The groups of rules that one installation checked: each once, ordered by its last check.

    For a refused package, the last group contains the rule that refused it.
    """

    def __init__(self) -> None:
        self._groups: dict[Rules, None] = {}

    def __call__(self, group: Rules) -> None:
        """Record that the rules of a group are about to be checked."""
        self._groups.pop(group, None)
        self._groups[group] = None

    @property
    def groups(self) -> tuple[Rules, ...]:
        """The recorded groups."""
        return tuple(self._groups)
