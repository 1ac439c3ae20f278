"""Decodes a payload's `DeltaArchiveManifest`; `payload_checks` checks its content."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from signer.ota.errors import PayloadError
from signer.ota.operations import (
    OPERATION_TYPES,
    Extent,
    Operation,
    PackedOperations,
    operation_name,
)
from signer.ota.protobuf import MAX_UNKNOWN, Message, decode_fields, decode_message
from signer.ota.schemas import EXTENT, MANIFEST, OPERATION

MAX_MANIFEST = 16 << 20
# Phones have fewer than a hundred partitions, and large packages have some 100,000 operations and
# not many more extents. The limits keep a hostile manifest from filling the memory.
MAX_PARTITIONS = 128
MAX_OPERATIONS = 200_000
MAX_EXTENTS = 500_000


@dataclass(frozen=True, slots=True)
class PartitionInfo:
    """Size in bytes and SHA-256 of a partition's content."""

    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Partition:
    """The update of one partition; `written_by_device` are its hash tree and FEC extents.

    If `has_verity`, the device computes these from the rest of the partition.
    """

    name: str
    old: PartitionInfo | None
    new: PartitionInfo | None
    operations: PackedOperations
    written_by_device: tuple[Extent, ...]
    has_verity: bool
    version: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest; `signatures_offset` is None when the payload is not signed.

    `unknown` names the parts of a newer format: fields (`manifest-field-19`) and operation types
    (`unknown-27`).
    """

    block_size: int
    minor_version: int
    signatures_offset: int | None
    signatures_size: int
    max_timestamp: int
    partial_update: bool
    security_patch_level: str
    partitions: tuple[Partition, ...]
    unknown: frozenset[str] = frozenset()

    @property
    def is_delta(self) -> bool:
        """Whether the payload needs source data that is on the device."""
        return self.partial_update or any(each.old is not None for each in self.partitions)


def _fail(fault: str) -> PayloadError:
    return PayloadError(f"The payload's manifest is malformed: {fault}.")


@dataclass(slots=True)
class _DecodeState:
    """Remaining limits while a manifest is decoded, and the unknown names found in it."""

    operations: int
    extents: int
    unknown: set[str]

    def take_operations(self, count: int) -> None:
        self.operations -= count
        if self.operations < 0:
            raise PayloadError(f"The payload has more than {MAX_OPERATIONS} operations.")

    def take_extents(self, count: int) -> None:
        self.extents -= count
        if self.extents < 0:
            raise PayloadError(f"The payload has more than {MAX_EXTENTS} extents.")

    def note(self, name: str) -> None:
        self.unknown.add(name)
        if len(self.unknown) > MAX_UNKNOWN:
            raise _fail(f"it has more than {MAX_UNKNOWN} unknown fields and operations")

    def note_fields(self, unknown: Collection[int], kind: str) -> None:
        for number in unknown:
            self.note(f"{kind}-field-{number}")


def _extent(raw: bytes, state: _DecodeState) -> Extent:
    values, unknown = decode_fields(raw, EXTENT, _fail)
    if unknown:
        state.note_fields(unknown, "extent")
    count = values.get(2)
    if not count:
        raise _fail("an extent has no blocks")
    return Extent(values.get(1, 0), count)


def _extents(encoded: Sequence[bytes], state: _DecodeState) -> tuple[Extent, ...]:
    state.take_extents(len(encoded))
    return tuple([_extent(each, state) for each in encoded])


def _operation(raw: bytes, state: _DecodeState) -> Operation:
    values, unknown = decode_fields(raw, OPERATION, _fail)
    if unknown:
        state.note_fields(unknown, "operation")
    get = values.get
    kind, data_hash, source_hash = get(1), get(8, b""), get(9, b"")
    if kind not in OPERATION_TYPES:
        if kind is None:
            raise _fail("an operation has no type")
        state.note(operation_name(kind))
    if data_hash:
        _check_hash(data_hash)
    if source_hash:
        _check_hash(source_hash)
    sources = _extents(values[4], state) if 4 in values else ()
    targets = _extents(values[6], state) if 6 in values else ()
    return Operation(
        *(kind, get(2, 0), get(3, 0), sources, targets, data_hash, source_hash, get(5), get(7))
    )


def _check_hash(found: bytes) -> None:
    if len(found) != 32:
        raise _fail(f"a hash has {len(found)} bytes; it must have 32")


def _info(message: Message, number: int, state: _DecodeState) -> PartitionInfo | None:
    if not message.has(number):
        return None
    info = message.message(number)
    state.note_fields(info.unknown, "info")
    return PartitionInfo(info.integer(1), info.data(2))


def _partition(message: Message, state: _DecodeState) -> Partition:
    state.take_operations(len(message.all_data(8)))
    state.note_fields(message.unknown, "partition")
    state.note_fields(message.check(3, 4, 5, 10, 12, 14, 18), "nested")
    return Partition(
        name=message.text(1),
        old=_info(message, 6, state),
        new=_info(message, 7, state),
        operations=PackedOperations(_operation(each, state) for each in message.all_data(8)),
        written_by_device=tuple(
            _extent(message.data(number), state) for number in (11, 15) if message.has(number)
        ),
        has_verity=any(message.has(number) for number in (10, 11, 14, 15)),
        version=message.text(17),
    )


def decode_manifest(raw: bytes) -> Manifest:
    """Decode a manifest; raises PayloadError when it is malformed or exceeds a limit."""
    if len(raw) > MAX_MANIFEST:
        raise PayloadError("The payload's manifest is larger than 16 MiB.")
    message = decode_message(raw, MANIFEST, _fail)
    count = len(message.all_data(13))
    if not 0 < count <= MAX_PARTITIONS:
        raise PayloadError(
            f"The payload has {count} partitions; 1 to {MAX_PARTITIONS} are allowed."
        )
    if message.has(4) != message.has(5):
        raise _fail("it has only one of offset and size of the payload signature")
    state = _DecodeState(MAX_OPERATIONS, MAX_EXTENTS, set())
    state.note_fields(message.check(15, 17), "nested")
    state.note_fields(message.unknown, "manifest")
    return Manifest(
        block_size=message.integer(3, 4096),
        minor_version=message.integer(12),
        signatures_offset=message.integer(4) if message.has(4) else None,
        signatures_size=message.integer(5),
        max_timestamp=message.signed(14),
        partial_update=message.flag(16),
        security_patch_level=message.text(18),
        # One at a time: a hostile partition needs twenty times its length in memory while it is
        # decoded.
        partitions=tuple(_partition(each, state) for each in message.messages(13)),
        unknown=frozenset(state.unknown),
    )
