"""Decodes the manifest of a CrAU v2 payload: the operations that write each partition's blocks.

`manifest_checks.py` decides whether the manifest can be applied. Field numbers are those of AOSP's
`update_metadata.proto`.
"""

import enum
import re
from dataclasses import dataclass
from typing import Final

from client_sim.engine.errors import PackageError, UnsupportedError
from client_sim.engine.protobuf import Message, decode_message

BLOCK_SIZE: Final = 4096

MAX_PARTITIONS: Final = 128
MAX_OPERATIONS: Final = 200_000
MAX_EXTENTS: Final = 500_000

# Partition names become file names, so their alphabet is restricted. A GPT entry holds 36
# characters.
PARTITION_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,35}")


class OperationType(enum.IntEnum):
    """`InstallOperation.Type`: every named type, whether this engine supports it or not."""

    REPLACE = 0
    REPLACE_BZ = 1
    MOVE = 2
    BSDIFF = 3
    SOURCE_COPY = 4
    SOURCE_BSDIFF = 5
    ZERO = 6
    DISCARD = 7
    REPLACE_XZ = 8
    PUFFDIFF = 9
    BROTLI_BSDIFF = 10
    ZUCCHINI = 11
    LZ4DIFF_BSDIFF = 12
    LZ4DIFF_PUFFDIFF = 13


# These two classes are not frozen, because that would triple the time to construct one; there can
# be 500,000 of them.
@dataclass(slots=True)
class Extent:
    """A run of `count` blocks that starts at block `start`."""

    start: int
    count: int


@dataclass(slots=True)
class Operation:
    """One step that writes the destination extents; offsets and lengths are in bytes."""

    type: OperationType
    data_offset: int
    data_length: int
    src: tuple[Extent, ...]
    dst: tuple[Extent, ...]
    data_sha256: bytes | None
    src_sha256: bytes | None
    src_length: int | None = None
    dst_length: int | None = None

    @property
    def src_bytes(self) -> int:
        """The number of bytes in the source extents."""
        return sum(extent.count for extent in self.src) * BLOCK_SIZE

    @property
    def dst_bytes(self) -> int:
        """The number of bytes in the destination extents."""
        return sum(extent.count for extent in self.dst) * BLOCK_SIZE


_TYPES: Final = {number.value: number for number in OperationType}


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """The required size in bytes and sha256 of a whole partition image."""

    size: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition: the new image, the source image if any, and the operations."""

    name: str
    new: ImageInfo
    old: ImageInfo | None
    operations: tuple[Operation, ...]
    computes_verity: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """A decoded `DeltaArchiveManifest`; `signatures_*` are None in an unsigned payload."""

    minor_version: int
    block_size: int
    max_timestamp: int
    security_patch_level: str
    is_partial: bool
    signatures_offset: int | None
    signatures_size: int | None
    partitions: tuple[Partition, ...]

    @property
    def is_delta(self) -> bool:
        """Whether any partition starts from an old image."""
        return self.is_partial or any(partition.old for partition in self.partitions)


def decode_manifest(data: bytes) -> Manifest:
    """Decode the bytes of a `DeltaArchiveManifest`.

    Raises PackageError for malformed bytes and for more partitions, operations or extents than
    the limits of this module allow, UnsupportedError for an unknown operation type.
    """
    message = decode_message(data, "the manifest")
    encoded = message.repeated(13)
    if len(encoded) > MAX_PARTITIONS:
        raise PackageError(f"The manifest lists more than {MAX_PARTITIONS} partitions.")
    budget = _Budget(MAX_OPERATIONS, MAX_EXTENTS)
    return Manifest(
        minor_version=message.integer(12, bits=32),
        block_size=message.integer(3, default=BLOCK_SIZE, bits=32),
        max_timestamp=message.integer(14, bits=63),
        security_patch_level=message.text(18),
        is_partial=bool(message.integer(16)),
        signatures_offset=message.integer(4) if message.has(4) else None,
        signatures_size=message.integer(5) if message.has(5) else None,
        partitions=tuple(_decode_partition(entry, budget) for entry in encoded),
    )


@dataclass(slots=True)
class _Budget:
    """The numbers of operations and extents that the rest of the manifest may have."""

    operations: int
    extents: int

    def take(self, *, operations: int = 0, extents: int = 0) -> None:
        self.operations -= operations
        self.extents -= extents
        if self.operations < 0:
            raise PackageError(f"The manifest lists more than {MAX_OPERATIONS} operations.")
        if self.extents < 0:
            raise PackageError(f"The manifest lists more than {MAX_EXTENTS} extents.")


def _decode_partition(data: bytes, budget: _Budget) -> Partition:
    message = decode_message(data, "a partition of the manifest")
    name = message.text(1)
    if not PARTITION_NAME.fullmatch(name):
        raise PackageError("The manifest names a partition with characters that no partition has.")
    new = _decode_image_info(message, 7)
    if new is None:
        raise PackageError(f"The manifest does not say what partition {name} must become.")
    encoded, operation = message.repeated(8), f"an operation of partition {name}"
    budget.take(operations=len(encoded))
    return Partition(
        name=name,
        new=new,
        old=_decode_image_info(message, 6),
        operations=tuple(_decode_operation(entry, operation, budget) for entry in encoded),
        computes_verity=any(message.has(number) for number in (10, 11, 14, 15)),
    )


def _decode_image_info(partition: Message, number: int) -> ImageInfo | None:
    message = partition.message(number, "the image facts of a partition")
    if message is None:
        return None
    sha256 = _decode_sha256(message, 2)
    if sha256 is None:
        raise PackageError("The manifest names an image without its sha256.")
    return ImageInfo(message.integer(1), sha256)


def _decode_operation(data: bytes, name: str, budget: _Budget) -> Operation:
    message = decode_message(data, name)
    has = message.fields
    if 1 not in has:
        raise PackageError(f"The manifest is malformed: {name} has no type.")
    number = message.integer(1)
    operation_type = _TYPES.get(number)
    if operation_type is None:
        raise UnsupportedError(
            f"The manifest has the operation {number}, which this phone does not know: {name}."
        )
    return Operation(
        type=operation_type,
        data_offset=message.integer(2) if 2 in has else 0,
        data_length=message.integer(3) if 3 in has else 0,
        src=_decode_extents(message, 4, budget) if 4 in has else (),
        dst=_decode_extents(message, 6, budget) if 6 in has else (),
        data_sha256=_decode_sha256(message, 8) if 8 in has else None,
        src_sha256=_decode_sha256(message, 9) if 9 in has else None,
        src_length=message.integer(5) if 5 in has else None,
        dst_length=message.integer(7) if 7 in has else None,
    )


def _decode_extents(operation: Message, number: int, budget: _Budget) -> tuple[Extent, ...]:
    encoded = operation.repeated(number)
    budget.take(extents=len(encoded))
    return tuple([_decode_extent(decode_message(each, "an extent")) for each in encoded])


def _decode_extent(message: Message) -> Extent:
    return Extent(message.integer(1), message.integer(2))


def _decode_sha256(message: Message, number: int) -> bytes | None:
    data = message.data(number)
    if not data:
        return None
    if len(data) != 32:
        raise PackageError(f"Field {number} of {message.name} is not a sha256.")
    return data
