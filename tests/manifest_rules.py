"""One accepted and one refused package for each rule of a payload's manifest."""

import lzma

from tests.package_drafts import (
    BLOCK,
    FIXED32,
    NEW,
    OLD,
    SOURCE,
    TARGET,
    bytes_of,
    encode,
    extent,
    info,
    number,
    operation,
    put,
    values,
)
from tests.package_rule import all_of, of_full, of_signer, of_step, same, set_manifest

UNKNOWN = b"\xa0\x01\x00"  # field 20, a number
TWICE = number(3, BLOCK)
LARGE = 65_536  # blocks, 256 MiB


def _partition(at, value, wire=None):
    return lambda draft: put(draft.partition, at, value, wire)


def _op(index, at, value, wire=None):
    return lambda draft: put(draft.operations[index], at, value, wire)


def _steps(new, *steps, old=None, minor=None):
    """Replace the operations of the partition, and the image that they produce."""

    def change(draft):
        partition = draft.partition
        kept = [each for each in partition if each[0] != 8]
        offset = 0
        for one in steps:
            kept.append(bytes_of(8, operation(*one, offset=offset)))
            offset += len(one[2]) if len(one) > 2 else 0
        partition[:] = kept
        put(partition, 7, info(new))
        if old is not None:
            put(partition, 6, info(old))
        draft.blobs = b"".join(one[2] for one in steps if len(one) > 2)
        put(draft.manifest, 4, len(draft.blobs))
        if minor is not None:
            put(draft.manifest, 12, minor)

    return change


def _partitions(count):
    """Add small partitions until there are `count`."""

    def change(draft):
        block = NEW[:BLOCK]
        for index in range(count - 1):
            at = len(draft.blobs)
            one = [bytes_of(1, f"p{index}"), bytes_of(7, info(block))]
            one.append(bytes_of(8, operation(0, ((0, 1),), block, offset=at)))
            draft.manifest.append(bytes_of(13, one))
            draft.blobs += block
        put(draft.manifest, 4, len(draft.blobs))

    return change


def _zeros(count, targets=lambda at: ((at, 1),), blocks=None):
    """Let the partition have `count` operations that write zeros."""

    def change(draft):
        partition = [each for each in draft.partition if each[0] not in {7, 8}]
        size = (blocks or count) * BLOCK
        partition.append(bytes_of(7, [number(1, size), bytes_of(2, bytes(32))]))
        partition += [bytes_of(8, encode(operation(6, targets(at)))) for at in range(count)]
        draft.partition[:] = partition
        draft.blobs = b""
        put(draft.manifest, 4, 0)

    return change


def _second(name):
    def change(draft):
        _partitions(2)(draft)
        put(values(draft.manifest, 13)[1], 1, name)

    return change


def _sized(at, size):
    """Change the size of the new (7) or old (6) content."""
    return lambda draft: put(values(draft.partition, at)[0], 1, size)


def _fields(count):
    """Add fields to the manifest until it has `count`, most of them unknown."""
    return lambda draft: draft.manifest.append(UNKNOWN * (count - len(draft.manifest)))


def _raw_steps(new_blocks, *operations_, old_blocks=None):
    """Use operations with bytes that no reader executes."""

    def change(draft):
        partition = [each for each in draft.partition if each[0] not in {6, 7, 8}]
        if old_blocks is not None:
            partition.append(bytes_of(6, [number(1, old_blocks * BLOCK), bytes_of(2, bytes(32))]))
        partition.append(bytes_of(7, [number(1, new_blocks * BLOCK), bytes_of(2, bytes(32))]))
        partition += [bytes_of(8, each) for each in operations_]
        draft.partition[:] = partition
        length = sum(values(each, 3)[0] if values(each, 3) else 0 for each in operations_)
        draft.blobs = bytes(length)
        put(draft.manifest, 4, length)

    return change


def _large(kind, blocks):
    return _raw_steps(
        blocks,
        [number(1, kind), number(3, 9), bytes_of(6, extent(0, blocks)), bytes_of(8, bytes(32))],
    )


def _patched_from(blocks):
    return [
        *(number(1, 5), number(3, 9), bytes_of(4, extent(0, blocks)), bytes_of(6, extent(0, 1))),
        *(bytes_of(8, bytes(32)), bytes_of(9, bytes(32))),
    ]


def _xz_steps(check):
    """Produce the image from one xz stream with the x86 filter and this integrity check."""
    filters = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2}]
    return _steps(NEW, (8, ((0, 4),), lzma.compress(NEW, check=check, filters=filters)))


REPLACED = _steps(NEW, (0, ((0, 4),), NEW))
LAST_SHORT = _steps(NEW, (0, ((0, 4),), NEW[:-1]))
MANIFEST_RULES = {
    "wire-type": of_full(same, set_manifest(12, 0, FIXED32)),
    "wire-type-unread": of_signer(_partition(2, 1), _partition(2, 1, FIXED32)),
    "wire-nested": of_signer(set_manifest(15, b""), set_manifest(15, b"\xff")),
    "wire-twice": of_full(same, lambda draft: draft.manifest.append(TWICE)),
    "wire-varint": of_full(same, lambda draft: draft.manifest.append(b"\x98\x01\x80\x00")),
    "wire-bits": of_full(same, set_manifest(3, BLOCK + 2**32)),
    "wire-groups": of_full(same, lambda draft: draft.manifest.append(b"\x9b\x01\x9c\x01")),
    "wire-unknown": of_signer(same, set_manifest(19, 1)),
    "wire-fields": of_full(_fields(30), _fields(31), of_manifest=True, limits={"MAX_FIELDS": 30}),
    "block-size": of_full(same, set_manifest(3, 512)),
    "minor-full": of_full(set_manifest(12, 0), set_manifest(12, 2)),
    "minor-incremental": of_step(set_manifest(12, 9), set_manifest(12, 10)),
    "max-timestamp": of_full(same, set_manifest(14, SOURCE.post_timestamp - 1)),
    "max-timestamp-equal": of_signer(same, set_manifest(14, TARGET.post_timestamp + 1)),
    "patch-level-equal": of_signer(set_manifest(18, None), set_manifest(18, "2099-01-05")),
    "partial": of_full(set_manifest(16, 0), all_of(set_manifest(16, 1), set_manifest(12, 7))),
    "partitions": of_full(
        *(_partitions(128), _partitions(129)), of_manifest=True, limits={"MAX_PARTITIONS": 128}
    ),
    "partition-name": of_full(_second("P" * 36), _second("P" * 37), of_manifest=True),
    "partition-twice": of_full(_second("products"), _second("Product"), of_manifest=True),
    "partition-size": of_full(same, _sized(7, 4 * BLOCK - 512)),
    "partition-old-size": of_step(same, _sized(6, 4 * BLOCK - 512)),
    "partition-hash": of_full(same, lambda draft: put(values(draft.partition, 7)[0], 2, b"x")),
    "partition-largest": of_step(
        _zeros(1, lambda _: ((0, 1 << 24),), 1 << 24),
        _zeros(1, lambda _: ((0, (1 << 24) + 1),), (1 << 24) + 1),
        of_manifest=True,
    ),
    "verity": of_full(
        same, all_of(_steps(NEW, (0, ((0, 3),), NEW[: 3 * BLOCK])), _partition(11, extent(3, 1)))
    ),
    "verity-data": of_full(same, _partition(10, extent(0, 1))),
    "operations": of_step(_zeros(20), _zeros(21), of_manifest=True, limits={"MAX_OPERATIONS": 20}),
    "extents": of_step(
        _zeros(2, lambda at: tuple((at * 10 + each, 1) for each in range(10)), 20),
        _zeros(3, lambda at: tuple((at * 7 + each, 1) for each in range(7)), 21),
        of_manifest=True,
        limits={"MAX_EXTENTS": 20},
    ),
    "extent-empty": of_full(
        same, lambda draft: draft.operations[0].append(bytes_of(6, extent(0, 0)))
    ),
    "extent-inside": of_full(same, _steps(NEW, (0, ((0, 3), (4, 1)), NEW))),
    "extent-source": of_step(
        _steps(OLD, (4, ((0, 4),), b"", ((0, 4),), OLD)),
        _steps(OLD, (4, ((0, 4),), b"", ((1, 4),), OLD)),
    ),
    "blocks-once": of_full(same, _steps(NEW, (0, ((0, 3), (2, 1)), NEW))),
    "blocks-all": of_full(same, _steps(NEW, (0, ((0, 3),), NEW[: 3 * BLOCK]))),
    "operation-type": of_full(same, _op(0, 1, None)),
    "operation-known": of_full(same, _steps(NEW, (14, ((0, 4),), NEW))),
    "operation-puffdiff": of_step(
        set_manifest(12, 5), _steps(OLD, (9, ((0, 4),), b"x", ((0, 4),), OLD), minor=5)
    ),
    "operation-since": of_step(set_manifest(12, 4), set_manifest(12, 3)),
    "operation-data-hash": of_full(same, _op(0, 8, None)),
    "operation-hash-length": of_step(same, _op(1, 8, b"12345")),
    "operation-data": of_step(same, _op(1, 3, 1)),
    "operation-source": of_step(same, _op(0, 4, None)),
    "operation-no-source": of_step(same, _op(2, 4, encode(extent(0, 1)))),
    "operation-source-hash": of_step(same, _op(0, 9, None), by_signer=True),
    "operation-copy": of_step(
        same, lambda draft: put(draft.operations[0], 4, encode(extent(0, 2)))
    ),
    "replace-fills": of_full(REPLACED, LAST_SHORT),
    "target-length": of_full(_op(0, 7, 4 * BLOCK), _op(0, 7, 4 * BLOCK - 1)),
    "target-length-zero": of_step(_op(1, 7, BLOCK), _op(1, 7, 0)),
    "source-length": of_step(_op(0, 5, BLOCK), _op(0, 5, BLOCK - 1)),
    "operation-head": of_full(_xz_steps(lzma.CHECK_CRC32), _xz_steps(lzma.CHECK_CRC64)),
    "operation-data-size": of_full(_large(8, LARGE), _large(8, LARGE + 1), of_manifest=True),
    "operation-source-size": of_step(
        _raw_steps(1, _patched_from(LARGE), old_blocks=LARGE),
        _raw_steps(1, _patched_from(LARGE + 1), old_blocks=LARGE + 1),
        of_manifest=True,
    ),
    "data-in-order": of_full(same, _op(0, 2, 1)),
    "data-all": of_full(same, lambda draft: setattr(draft, "blobs", draft.blobs + b"x")),
    "signature-place": of_full(same, set_manifest(5, None)),
    "manifest-metadata-hash": of_full(
        same, lambda draft: draft.properties.update({"METADATA_HASH": "A" * 43 + "="})
    ),
}
