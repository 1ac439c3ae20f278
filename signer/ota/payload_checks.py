"""Checks that a manifest makes sense: versions, operations, extents, data."""

import re
from collections.abc import Iterable

from signer.ota.errors import PayloadError
from signer.ota.extents import Extent, check_extents, count_blocks, end_of
from signer.ota.manifest import Manifest, Partition, PartitionInfo
from signer.ota.operation import Operation
from signer.ota.operations import (
    FULL_TYPES,
    IN_PLACE_TYPES,
    OPERATION_TYPES,
    SOURCE_HASH_MINOR_VERSION,
    OperationType,
)
from signer.ota.questions import PARTITION_HASHES

MAX_PARTITION_SIZE = 64 << 30
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_BLOCK_SIZES = frozenset(1 << power for power in range(9, 17))


def check_manifest(manifest: Manifest, blobs_length: int) -> None:
    """Raise PayloadError for the first thing that a device would stumble over.

    Operations of unknown types and minor versions that are newer than the known ones pass, for only
    newer devices know what they mean; see `unknown_names`.

    `blobs_length` is the number of bytes after the metadata signature: the operations' data, which
    must follow one another without gaps, and the payload signature.
    """
    if manifest.block_size not in _BLOCK_SIZES:
        raise PayloadError(f"The payload's block size is {manifest.block_size}.")
    _check_version(manifest)
    names = [partition.name for partition in manifest.partitions]
    if len(set(names)) != len(names):
        raise PayloadError("The payload has a partition twice.")
    for partition in manifest.partitions:
        _check_partition(partition, manifest)
    _check_data(manifest, blobs_length)


def _check_version(manifest: Manifest) -> None:
    minor = manifest.minor_version
    if manifest.is_delta and minor < 2:
        raise PayloadError(f"The payload is a delta and has minor version {minor}, not 2 or more.")
    if not manifest.is_delta and minor:
        raise PayloadError(f"The payload is a full one and has minor version {minor}, not 0.")


def _check_info(info: PartitionInfo, name: str) -> None:
    if not 0 < info.size <= MAX_PARTITION_SIZE or len(info.digest) != 32:
        raise PayloadError(
            f"The payload gives no proper size and hash for partition {name}.", PARTITION_HASHES
        )


def _check_partition(partition: Partition, manifest: Manifest) -> None:
    name = partition.name
    if _NAME.fullmatch(name) is None:
        raise PayloadError(f"The payload has a partition named {name[:40]!r}.")
    if partition.new is None:
        raise PayloadError(
            f"The payload does not say what partition {name} becomes.", PARTITION_HASHES
        )
    _check_info(partition.new, name)
    if partition.old is not None:
        _check_info(partition.old, name)
    blocks = -(-partition.new.size // manifest.block_size)
    written: list[Extent] = list(partition.written_by_device)
    all_known = True
    for operation in partition.operations:
        _check_operation(operation, partition, manifest)
        written += operation.targets
        all_known = all_known and operation.is_known
    check_extents(written, blocks, f"partition {name}")
    # Whether an unknown operation writes all of its targets, or any, nobody here can say.
    if all_known and count_blocks(written) != blocks:
        raise PayloadError(f"The payload leaves blocks of partition {name} unwritten.")


def _check_type(known: OperationType, manifest: Manifest, where: str) -> None:
    if known.name in IN_PLACE_TYPES:
        raise PayloadError(f"The payload has a {known.name} in {where}, which updates in place.")
    if not manifest.is_delta and known.name not in FULL_TYPES:
        raise PayloadError(f"The payload is a full one and has a {known.name} in {where}.")
    if known.since > manifest.minor_version:
        raise PayloadError(
            f"The payload has a {known.name} in {where}, which needs minor version {known.since}, "
            f"not {manifest.minor_version}."
        )


def _check_operation(operation: Operation, partition: Partition, manifest: Manifest) -> None:
    where = f"partition {partition.name}"
    known = OPERATION_TYPES.get(operation.type)
    if known is None:
        return  # an inspection names it; whether to release it is for a person to say
    _check_type(known, manifest, where)
    if not operation.targets:
        raise PayloadError(f"The payload has a {known.name} in {where} that writes nothing.")
    if bool(operation.data_length) != known.has_data:
        raise PayloadError(f"The payload has a {known.name} in {where} with the wrong data.")
    if known.has_data and len(operation.data_hash) != 32:
        raise PayloadError(f"The payload has a {known.name} in {where} without a data hash.")
    if known.reads_source != bool(operation.sources):
        raise PayloadError(f"The payload has a {known.name} in {where} with the wrong source.")
    if known.reads_source:
        _check_source(operation, partition, manifest)
    written = count_blocks(operation.targets) * manifest.block_size
    if known.name == "REPLACE" and not 0 <= written - operation.data_length < manifest.block_size:
        raise PayloadError(f"The payload has a REPLACE in {where} whose data is not what it fills.")
    _check_length(operation.target_length, written, manifest.block_size, where)


def _check_length(announced: int | None, actual: int, block_size: int, where: str) -> None:
    # Lengths may end within the last block, where a file does.
    if announced is not None and not 0 <= actual - announced < block_size:
        raise PayloadError(f"An operation in {where} announces another length than its extents.")


def _check_source(operation: Operation, partition: Partition, manifest: Manifest) -> None:
    where = f"partition {partition.name}"
    if partition.old is None:
        raise PayloadError(f"The payload has a {operation.name} in {where}, which has no old one.")
    blocks = -(-partition.old.size // manifest.block_size)
    if any(end_of(each) > blocks for each in operation.sources):
        raise PayloadError(f"A {operation.name} reads beyond the old content of {where}.")
    needed = manifest.minor_version >= SOURCE_HASH_MINOR_VERSION
    if len(operation.source_hash) not in ({32} if needed else {0, 32}):
        raise PayloadError(f"The payload has a {operation.name} in {where} without a source hash.")
    read = count_blocks(operation.sources)
    if operation.name == "SOURCE_COPY" and read != count_blocks(operation.targets):
        raise PayloadError(
            f"A SOURCE_COPY in {where} reads and writes different numbers of blocks."
        )
    size = read * manifest.block_size
    _check_length(operation.source_length, size, manifest.block_size, where)


def operations_with_data(manifest: Manifest) -> Iterable[tuple[Partition, Operation]]:
    """Yield the operations that have data, in the order in which a device streams them."""
    for partition in manifest.partitions:
        for operation in partition.operations:
            if operation.data_length:
                yield partition, operation


def _check_data(manifest: Manifest, blobs_length: int) -> None:
    # A device reads the blobs once, from front to back; so every byte must have its operation.
    at = 0
    for partition, operation in operations_with_data(manifest):
        if operation.data_offset + operation.data_length > blobs_length:
            raise PayloadError(
                f"The data of a {operation.name} in partition {partition.name} lies beyond the end "
                "of the payload."
            )
        if operation.data_offset != at:
            raise PayloadError(
                f"The data of a {operation.name} in partition {partition.name} does not follow "
                "that of the operation before it."
            )
        at += operation.data_length
    if manifest.signatures_offset is None:
        signed_end = blobs_length
        if manifest.signatures_size:
            raise PayloadError("The payload gives a size and no place for its signature.")
    else:
        signed_end = manifest.signatures_offset
        if signed_end + manifest.signatures_size != blobs_length:
            raise PayloadError("The payload's signature is not at the end of the payload.")
    if at != signed_end:
        raise PayloadError("The payload has bytes that belong to no operation.")
