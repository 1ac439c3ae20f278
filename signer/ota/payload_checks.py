"""Checks that a manifest is consistent: versions, operations, extents, data."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import brotli

from signer.ota.errors import PARTITION_HASHES, PayloadError, show_text
from signer.ota.manifest import Manifest, Partition, PartitionInfo
from signer.ota.operations import (
    FULL_TYPES,
    IN_PLACE_TYPES,
    OPERATION_TYPES,
    SOURCE_HASH_MINOR_VERSION,
    Extent,
    Operation,
    OperationType,
    check_extents,
    count_blocks,
    end_of,
)

BLOCK_SIZE = 4096
MAX_PARTITION_SIZE = 64 << 30
# A device holds an operation's data, its result and a patch's source in memory.
MAX_OPERATION_SIZE = 256 << 20
# The name becomes a partition name on the device; a GPT entry has room for 36 characters.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,35}")


def check_manifest(manifest: Manifest, blobs_length: int) -> None:
    """Raise PayloadError for the first fault that would make the update fail on a device.

    Unknown operation types and newer minor versions pass, because only newer devices know what they
    mean; `OtaFacts.unknown` names them.

    `blobs_length` is the number of bytes after the metadata signature: the operations' data, which
    must follow one another without gaps, and the payload signature.
    """
    if manifest.block_size != BLOCK_SIZE:
        raise PayloadError(
            f"The payload's block size is {manifest.block_size}; it must be {BLOCK_SIZE}."
        )
    _check_version(manifest)
    # Some file systems treat names that differ only in case as one name.
    names = {partition.name.lower() for partition in manifest.partitions}
    if len(names) != len(manifest.partitions):
        raise PayloadError("The payload has a partition twice.")
    rules = _Rules(
        manifest.minor_version >= SOURCE_HASH_MINOR_VERSION,
        {number: _find_type_fault(each, manifest) for number, each in OPERATION_TYPES.items()},
    )
    for partition in manifest.partitions:
        _check_partition(partition, rules)
    _check_data(manifest, blobs_length)


@dataclass(frozen=True, slots=True)
class _Rules:
    """Requirements of the manifest's version, and the fault of each known type, if any."""

    needs_source_hash: bool
    faults: Mapping[int, str]


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
    if info.size % BLOCK_SIZE:
        raise PayloadError(
            f"Partition {name} is {info.size} bytes long; it must be whole blocks of {BLOCK_SIZE}."
        )


def _check_partition(partition: Partition, rules: _Rules) -> None:
    name = partition.name
    if _NAME.fullmatch(name) is None:
        raise PayloadError(f"The payload has a partition named {show_text(name)}.")
    if partition.new is None:
        raise PayloadError(
            f"The payload does not say what partition {name} becomes.", PARTITION_HASHES
        )
    _check_info(partition.new, name)
    if partition.old is not None:
        _check_info(partition.old, name)
    blocks = partition.new.size // BLOCK_SIZE
    written: list[Extent] = list(partition.written_by_device)
    all_known = True
    for operation in partition.operations:
        _check_operation(operation, partition, rules)
        written += operation.targets
        all_known = all_known and operation.is_known
    check_extents(written, blocks, f"partition {name}")
    # This version cannot know whether an unknown operation writes all of its targets, or any.
    if all_known and count_blocks(written) != blocks:
        raise PayloadError(f"The payload leaves blocks of partition {name} unwritten.")


def _check_operation(operation: Operation, partition: Partition, rules: _Rules) -> None:
    known = OPERATION_TYPES.get(operation.type)
    if known is None:
        return  # the inspection reports the type, and a person decides whether to release it
    fault = (
        rules.faults[operation.type]
        or _find_data_fault(operation, known)
        or _find_source_fault(operation, known, partition, rules)
        or _find_length_fault(operation, known)
    )
    if fault:
        raise PayloadError(f"The payload has a {known.name} in partition {partition.name} {fault}.")


def _find_type_fault(known: OperationType, manifest: Manifest) -> str:
    if known.name in IN_PLACE_TYPES:
        return "which updates in place"
    if not manifest.is_delta and known.name not in FULL_TYPES:
        return "although it is a full one"
    if known.since > manifest.minor_version:
        return f"which needs minor version {known.since}, not {manifest.minor_version}"
    return ""


def _find_data_fault(operation: Operation, known: OperationType) -> str:
    if not operation.targets:
        return "that writes nothing"
    if bool(operation.data_length) != known.has_data:
        return "with the wrong data"
    if known.has_data and len(operation.data_hash) != 32:
        return "without a data hash"
    return ""


def _find_source_fault(
    operation: Operation, known: OperationType, partition: Partition, rules: _Rules
) -> str:
    if known.reads_source != bool(operation.sources):
        return "with the wrong source"
    if not known.reads_source:
        return ""
    if partition.old is None:
        return "although that has no old content"
    if max(map(end_of, operation.sources)) > partition.old.size // BLOCK_SIZE:
        return "that reads beyond the old content"
    if rules.needs_source_hash and not operation.source_hash:
        return "without a source hash"
    return ""


def _find_length_fault(operation: Operation, known: OperationType) -> str:
    written = count_blocks(operation.targets) * BLOCK_SIZE
    read = count_blocks(operation.sources) * BLOCK_SIZE if operation.sources else 0
    if known.name == "REPLACE" and operation.data_length != written:
        return "whose data is not as long as its target"
    if known.name == "SOURCE_COPY" and read != written:
        return "that reads and writes different numbers of blocks"
    if known.has_data and max(operation.data_length, written, read) > MAX_OPERATION_SIZE:
        return f"of more than {MAX_OPERATION_SIZE >> 20} MiB"
    for announced, length in (
        (operation.target_length, written),
        (operation.source_length, read),
    ):
        if announced is not None and announced != length:
            return "that announces another length than its extents"
    return ""


def operations_with_data(manifest: Manifest) -> Iterable[tuple[Partition, Operation]]:
    """Yield the operations that have data, in the order in which a device streams them."""
    for partition in manifest.partitions:
        for operation in partition.operations.with_data():
            yield partition, operation


def _check_data(manifest: Manifest, blobs_length: int) -> None:
    # A device reads the blobs once, in order, so every byte must belong to an operation.
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


HEAD = 48  # bytes: an xz stream's header, and its first block's up to the last filter
_REPLACE_BZ, _SOURCE_BSDIFF, _REPLACE_XZ, _BROTLI_BSDIFF = 1, 5, 8, 10
_BZIP2 = re.compile(rb"BZh[1-9]")
_XZ_MAGIC, _XZ_HEADER = b"\xfd7zXZ\0", 12
_NO_CHECK, _CRC32 = 0, 1
_LZMA2, _BRANCHES = 0x21, {0x04, 0x07, 0x08}  # the latter of x86, ARM and ARM-Thumb
_PATCH_HEADER, _STREAMS = 32, {0, 1, 2}


def find_fault(operation: Operation, head: bytes) -> str:
    """Return the fault in the first `HEAD` bytes of an operation's data, or an empty text.

    `head` is all of the data if it is shorter. Types without a data format have no fault.
    """
    if operation.type == _REPLACE_BZ and not _BZIP2.match(head):
        return "is not a bzip2 stream"
    if operation.type == _REPLACE_XZ:
        return _xz_fault(head)
    if operation.type in {_SOURCE_BSDIFF, _BROTLI_BSDIFF}:
        return _patch_fault(head, BLOCK_SIZE * count_blocks(operation.targets))
    return ""


def _xz_fault(head: bytes) -> str:
    if head[:7] != _XZ_MAGIC + b"\0" or len(head) < _XZ_HEADER:
        return "is not an xz stream"
    if head[7] not in {_NO_CHECK, _CRC32}:
        return "is an xz stream with another check than CRC32"
    block = head[_XZ_HEADER:]
    try:
        # A stream without blocks has its index here; it is too short, so its installation fails.
        is_known = block[0] == 0 or _has_known_filters(block)
    except IndexError:
        return "is not an xz stream"
    return (
        ""
        if is_known
        else "is an xz stream with another filter than LZMA2 or a known branch filter"
    )


def _has_known_filters(block: bytes) -> bool:
    flags, at = block[1], 2
    for has_size in (0x40, 0x80):
        if flags & has_size:
            while block[at] >= 0x80:
                at += 1
            at += 1
    count = (flags & 3) + 1
    if count == 2 and block[at] in _BRANCHES and block[at + 1] == 0:
        count, at = 1, at + 2
    return count == 1 and block[at] == _LZMA2


def _patch_fault(head: bytes, size: int) -> str:
    is_known = head[:8] == b"BSDIFF40" or (
        head[:5] == b"BSDF2" and all(each in _STREAMS for each in head[5:8])
    )
    if not is_known or len(head) < _PATCH_HEADER:
        return "is not a patch of the forms BSDIFF40 and BSDF2"
    # The top bit is the sign, so a negative length is refused here, too.
    if int.from_bytes(head[24:32], "little") != size:
        return f"is a patch of another length than the {size} bytes that it makes"
    return ""


_PIECE = 1 << 20


class BrotliSize:
    """Computes the unpacked length of a brotli stream, with the interface of a hash.

    `digest` returns 8 bytes, big-endian. It returns no bytes when the stream cannot be unpacked,
    does not end where its bytes end, or exceeds `limit`.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._decoder = brotli.Decompressor()
        self._size, self._is_bad = 0, False

    def update(self, data: memoryview, /) -> None:
        """Add the next packed bytes."""
        rest: bytes | memoryview = data
        try:
            while not self._is_bad:
                if self._decoder.is_finished():
                    self._is_bad = len(rest) > 0
                    break
                piece = self._decoder.process(rest, output_buffer_limit=_PIECE)
                self._size += len(piece)
                self._is_bad = self._size > self._limit
                # Without new input the decoder returns buffered output until none is left.
                rest = b""
                if not piece and self._decoder.can_accept_more_data():
                    break
        except brotli.error:
            self._is_bad = True

    def digest(self) -> bytes:
        """Return the length, or no bytes if the stream is bad."""
        # A decoder that has failed must not be used again.
        is_whole = not self._is_bad and self._decoder.is_finished()
        return self._size.to_bytes(8) if is_whole else b""
