"""Decodes a payload's `DeltaArchiveManifest`; says nothing yet about whether it makes sense."""

from dataclasses import dataclass

from signer.ota.errors import PayloadError
from signer.ota.extents import Extent
from signer.ota.operation import Operation
from signer.ota.packed_operations import PackedOperations
from signer.ota.protobuf import MAX_UNKNOWN, Message, decode_message
from signer.ota.schemas import MANIFEST

MAX_MANIFEST = 16 << 20
# Phones have fewer than a hundred partitions, and large packages some 100,000 operations with not
# many more extents; the caps keep a hostile manifest from filling the memory.
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
    """What happens to one partition; `written_by_device` are its hash tree and FEC extents.

    `has_verity` says that the device has to compute these from the rest of the partition.
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

    `unknown` names what is of a newer format: fields (`manifest-field-19`) and types of operations
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
        """Whether the payload needs something that is already on the device."""
        return self.partial_update or any(each.old is not None for each in self.partitions)


def _fail(what: str) -> PayloadError:
    return PayloadError(f"The payload's manifest is malformed: {what}.")


@dataclass(slots=True)
class _Rest:
    """How many extents the manifest may still have, and which unknown names were found in it."""

    extents: int
    unknown: set[str]

    def take_extents(self, count: int) -> None:
        self.extents -= count
        if self.extents < 0:
            raise PayloadError(f"The payload has more than {MAX_EXTENTS} extents.")

    def note(self, name: str) -> None:
        self.unknown.add(name)
        if len(self.unknown) > MAX_UNKNOWN:
            raise _fail(f"it has more than {MAX_UNKNOWN} unknown fields and operations")

    def note_fields(self, message: Message, kind: str) -> None:
        for number in message.unknown:
            self.note(f"{kind}-field-{number}")


def _extent(message: Message) -> Extent:
    extent = Extent(message.values.get(1, 0), message.values.get(2, 0))
    if not extent.count:
        raise _fail("an extent has no blocks")
    return extent


def _extents(message: Message, number: int, rest: _Rest) -> tuple[Extent, ...]:
    if not message.has(number):
        return ()
    rest.take_extents(len(message.all_data(number)))
    return tuple([_extent(each) for each in message.messages(number)])


def _operation(message: Message, rest: _Rest) -> Operation:
    if message.unknown:
        rest.note_fields(message, "operation")
    get = message.values.get
    if not message.has(1):
        raise _fail("an operation has no type")
    for found in (get(8), get(9)):
        if found and len(found) != 32:
            raise _fail(f"a hash has {len(found)} bytes; it must have 32")
    operation = Operation(
        type=message.integer(1),
        data_offset=get(2, 0),
        data_length=get(3, 0),
        sources=_extents(message, 4, rest),
        targets=_extents(message, 6, rest),
        data_hash=get(8, b""),
        source_hash=get(9, b""),
        source_length=get(5),
        target_length=get(7),
    )
    if not operation.is_known:
        rest.note(operation.name)
    return operation


def _info(message: Message, number: int) -> PartitionInfo | None:
    if not message.has(number):
        return None
    info = message.message(number)
    return PartitionInfo(info.integer(1), info.data(2))


def _partition(message: Message, rest: _Rest) -> Partition:
    rest.note_fields(message, "partition")
    message.check(3, 4, 5, 10, 12, 14, 18)
    return Partition(
        name=message.text(1),
        old=_info(message, 6),
        new=_info(message, 7),
        operations=PackedOperations(_operation(each, rest) for each in message.messages(8)),
        written_by_device=tuple(
            _extent(message.message(number)) for number in (11, 15) if message.has(number)
        ),
        has_verity=any(message.has(number) for number in (10, 11, 14, 15)),
        version=message.text(17),
    )


def decode_manifest(raw: bytes) -> Manifest:
    """Decode a manifest; PayloadError when it is not well-formed or exceeds a cap."""
    if len(raw) > MAX_MANIFEST:
        raise PayloadError("The payload's manifest is larger than 16 MiB.")
    message = decode_message(raw, MANIFEST, _fail)
    count = len(message.all_data(13))
    if not 0 < count <= MAX_PARTITIONS:
        raise PayloadError(f"The payload has {count} partitions; 1 to {MAX_PARTITIONS} are taken.")
    partitions = list(message.messages(13))
    if sum(len(each.all_data(8)) for each in partitions) > MAX_OPERATIONS:
        raise PayloadError(f"The payload has more than {MAX_OPERATIONS} operations.")
    if message.has(4) != message.has(5):
        raise _fail("it has half of what says where the payload signature is")
    message.check(15, 17)
    rest = _Rest(MAX_EXTENTS, set())
    rest.note_fields(message, "manifest")
    return Manifest(
        block_size=message.integer(3, 4096),
        minor_version=message.integer(12),
        signatures_offset=message.integer(4) if message.has(4) else None,
        signatures_size=message.integer(5),
        max_timestamp=message.signed(14),
        partial_update=message.flag(16),
        security_patch_level=message.text(18),
        partitions=tuple(_partition(each, rest) for each in partitions),
        unknown=frozenset(rest.unknown),
    )
