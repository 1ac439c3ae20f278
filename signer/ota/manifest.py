"""Decodes a payload's `DeltaArchiveManifest`; says nothing yet about whether it makes sense."""

from collections.abc import Collection
from dataclasses import dataclass

from signer.ota.errors import PayloadError
from signer.ota.extents import Extent
from signer.ota.operation import Operation
from signer.ota.packed_operations import PackedOperations
from signer.ota.protobuf import Message, decode_message

MAX_MANIFEST = 16 << 20
MAX_PARTITIONS = 256
# The numbers that the format gives to fields of each message; others are named and not read.
_MANIFEST_FIELDS = frozenset(range(1, 19))
_PARTITION_FIELDS = frozenset(range(1, 21))
_OPERATION_FIELDS = frozenset(range(1, 10))
# Large devices have some 100,000; the cap keeps a hostile manifest from filling the memory.
MAX_OPERATIONS = 250_000


@dataclass(frozen=True, slots=True)
class PartitionInfo:
    """Size in bytes and SHA-256 of a partition's content."""

    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Partition:
    """What happens to one partition; `written_by_device` are its hash tree and FEC extents."""

    name: str
    old: PartitionInfo | None
    new: PartitionInfo | None
    operations: Collection[Operation]
    written_by_device: tuple[Extent, ...]
    version: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest; `signatures_offset` is None when the payload is not signed.

    `unknown_fields` names the fields of a newer format, for example `manifest-field-19`.
    """

    block_size: int
    minor_version: int
    signatures_offset: int | None
    signatures_size: int
    max_timestamp: int
    partial_update: bool
    security_patch_level: str
    partitions: tuple[Partition, ...]
    unknown_fields: frozenset[str] = frozenset()

    @property
    def is_delta(self) -> bool:
        """Whether the payload needs something that is already on the device."""
        return self.partial_update or any(each.old is not None for each in self.partitions)


def _fail(what: str) -> PayloadError:
    return PayloadError(f"The payload's manifest is malformed: {what}.")


def _extent(message: Message) -> Extent:
    extent = Extent(message.integer(1), message.integer(2))
    if not extent.count:
        raise _fail("an extent has no blocks")
    return extent


def _extents(message: Message, number: int) -> tuple[Extent, ...]:
    return tuple(_extent(each) for each in message.messages(number))


def _note_unknown(message: Message, known: frozenset[int], kind: str, unknown: set[str]) -> None:
    unknown.update(f"{kind}-field-{number}" for number in message.fields.keys() - known)


def _operation(message: Message, unknown: set[str]) -> Operation:
    _note_unknown(message, _OPERATION_FIELDS, "operation", unknown)
    return Operation(
        type=message.integer(1),
        data_offset=message.integer(2),
        data_length=message.integer(3),
        sources=_extents(message, 4),
        targets=_extents(message, 6),
        data_hash=message.data(8),
        source_hash=message.data(9),
        source_length=message.integer(5) if message.has(5) else None,
        target_length=message.integer(7) if message.has(7) else None,
    )


def _info(message: Message, number: int) -> PartitionInfo | None:
    if not message.has(number):
        return None
    info = message.message(number)
    return PartitionInfo(info.integer(1), info.data(2))


def _partition(message: Message, unknown: set[str]) -> Partition:
    _note_unknown(message, _PARTITION_FIELDS, "partition", unknown)
    return Partition(
        name=message.text(1),
        old=_info(message, 6),
        new=_info(message, 7),
        operations=PackedOperations(_operation(each, unknown) for each in message.messages(8)),
        written_by_device=tuple(
            _extent(message.message(number)) for number in (11, 15) if message.has(number)
        ),
        version=message.text(17),
    )


def decode_manifest(raw: bytes) -> Manifest:
    """Decode a manifest; PayloadError when it is not well-formed or exceeds a cap."""
    if len(raw) > MAX_MANIFEST:
        raise PayloadError("The payload's manifest is larger than 16 MiB.")
    message = decode_message(raw, _fail)
    count = len(message.all_data(13))
    if not 0 < count <= MAX_PARTITIONS:
        raise PayloadError(f"The payload has {count} partitions; 1 to {MAX_PARTITIONS} are taken.")
    partitions = list(message.messages(13))
    if sum(len(each.all_data(8)) for each in partitions) > MAX_OPERATIONS:
        raise PayloadError(f"The payload has more than {MAX_OPERATIONS} operations.")
    unknown: set[str] = set()
    _note_unknown(message, _MANIFEST_FIELDS, "manifest", unknown)
    return Manifest(
        block_size=message.integer(3, 4096),
        minor_version=message.integer(12),
        signatures_offset=message.integer(4) if message.has(4) else None,
        signatures_size=message.integer(5),
        max_timestamp=message.signed(14),
        partial_update=message.flag(16),
        security_patch_level=message.text(18),
        partitions=tuple(_partition(each, unknown) for each in partitions),
        unknown_fields=frozenset(unknown),
    )
