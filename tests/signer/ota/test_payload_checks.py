"""Rules for deltas; the hostile packages have the faults of full payloads."""

import bz2
import lzma
import struct
from dataclasses import replace
from typing import Any

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.ota import payload_checks
from signer.ota.errors import PayloadError
from signer.ota.manifest import Manifest, Partition, PartitionInfo
from signer.ota.operations import OPERATION_TYPES, Extent, Operation, PackedOperations
from signer.ota.payload_checks import (
    HEAD,
    BrotliSize,
    check_manifest,
    find_fault,
    operations_with_data,
)
from tests.cases import case

HASH = b"h" * 32
NUMBERS = {each.name: number for number, each in OPERATION_TYPES.items()}


def _operation(name: str, start: int, count: int, at: int = 0, length: int = 0) -> Operation:
    known = OPERATION_TYPES[NUMBERS[name]]
    return Operation(
        type=known.number,
        data_offset=at,
        data_length=length,
        sources=(Extent(start, count),) if known.reads_source else (),
        targets=(Extent(start, count),),
        data_hash=HASH if known.has_data else b"",
        source_hash=HASH if known.reads_source else b"",
        source_length=None,
        target_length=None,
    )


def _delta(minor: int = 4, *, blobs: int = 30) -> Manifest:
    operations = (
        _operation("SOURCE_COPY", 0, 2),
        _operation("SOURCE_BSDIFF", 2, 2, 0, 10),
        _operation("ZERO", 4, 1),
        _operation("REPLACE_XZ", 5, 1, 10, 20),
    )
    info = PartitionInfo(6 * 4096, HASH)
    partition = Partition("system", info, info, PackedOperations(operations), (), False, "")
    return Manifest(4096, minor, blobs, 267, 1, False, "", (partition,))


def _changed(index: int, **changes: Any) -> Manifest:
    manifest = _delta()
    (partition,) = manifest.partitions
    operations = list(partition.operations)
    operations[index] = replace(operations[index], **changes)
    return replace(
        manifest, partitions=(replace(partition, operations=PackedOperations(operations)),)
    )


def test_delta_is_accepted() -> None:
    """Deltas need minor version 2 or newer; source hashes are optional in version 2."""
    check_manifest(_delta(), 30 + 267)
    kinds = [operation.name for _, operation in operations_with_data(_delta())]
    assert kinds == ["SOURCE_BSDIFF", "REPLACE_XZ"]
    with pytest.raises(PayloadError, match="delta and has minor version 1"):
        check_manifest(_delta(1), 297)
    check_manifest(_delta(10), 297)
    with pytest.raises(PayloadError, match="reads beyond the old content"):
        check_manifest(replace(_changed(0, sources=(Extent(5, 2),)), minor_version=10), 297)
    check_manifest(_changed(0, source_length=8192, target_length=8192), 297)
    copy = replace(_operation("SOURCE_COPY", 0, 6), source_hash=b"")
    partition = replace(_delta().partitions[0], operations=PackedOperations([copy]))
    manifest = replace(_delta(2), partitions=(partition,), signatures_offset=0)
    check_manifest(manifest, 267)
    with pytest.raises(PayloadError, match="without a source hash"):
        check_manifest(replace(manifest, minor_version=3), 267)


def test_operation_needs_its_minor_version() -> None:
    """An operation is refused one minor version too early, and accepted in the next."""
    for name, minor in (
        ("ZERO", 3),
        ("BROTLI_BSDIFF", 3),
        ("DISCARD", 3),
        ("PUFFDIFF", 4),
        ("ZUCCHINI", 7),
        ("LZ4DIFF_BSDIFF", 8),
        ("LZ4DIFF_PUFFDIFF", 8),
    ):
        with case(name):
            has_data = OPERATION_TYPES[NUMBERS[name]].has_data
            first = _operation(name, 0, 6, 0, 30 if has_data else 0)
            manifest = _delta(minor)
            partition = replace(manifest.partitions[0], operations=PackedOperations([first]))
            blobs = 30 if has_data else 0
            manifest = replace(manifest, partitions=(partition,), signatures_offset=blobs)
            with pytest.raises(PayloadError, match=f"{name} in partition system which needs minor"):
                check_manifest(manifest, blobs + 267)
            check_manifest(replace(manifest, minor_version=minor + 1), blobs + 267)


def test_unknown_operation() -> None:
    """It may read and write anything within the partition and the data."""
    check_manifest(_changed(0, type=27), 297)
    check_manifest(_changed(0, type=27, targets=(), sources=()), 297)
    with pytest.raises(PayloadError, match="writes beyond the end of partition system"):
        check_manifest(_changed(0, type=27, targets=(Extent(6, 1),)), 297)
    with pytest.raises(PayloadError, match="lies beyond the end of the payload"):
        check_manifest(_changed(0, type=27, data_length=400), 297)


def test_operation_is_refused() -> None:
    """Each rule about source, target and data has its message."""
    for index, changes, fault in (
        (0, {"sources": (Extent(5, 2),)}, "reads beyond the old content"),
        (0, {"sources": (Extent(0, 1),)}, "different numbers of blocks"),
        (0, {"sources": ()}, "wrong source"),
        (0, {"source_hash": b""}, "without a source hash"),
        (0, {"source_length": 4096}, "another length than its extents"),
        (0, {"target_length": 8191}, "another length than its extents"),
        (1, {"data_length": 0}, "wrong data"),
        (2, {"sources": (Extent(0, 1),)}, "wrong source"),
        (2, {"data_length": 5}, "wrong data"),
        (3, {"data_offset": 0}, "does not follow"),
        (3, {"data_length": 19}, "belong to no operation"),
        (3, {"targets": (Extent(4, 1),)}, "writes a block of partition system twice"),
    ):
        with case(index), pytest.raises(PayloadError, match=fault):
            check_manifest(_changed(index, **changes), 297)


def test_blocks_written_by_the_device() -> None:
    """The device writes hash tree and error correction itself, without operations."""
    manifest = _delta(6)
    (partition,) = manifest.partitions
    info = PartitionInfo(8 * 4096, HASH)
    larger = replace(partition, new=info)
    with pytest.raises(PayloadError, match="leaves blocks of partition system unwritten"):
        check_manifest(replace(manifest, partitions=(larger,)), 297)
    complete = replace(larger, written_by_device=(Extent(6, 1), Extent(7, 1)))
    check_manifest(replace(manifest, partitions=(complete,)), 297)


def test_old_content_without_size_or_hash() -> None:
    """An operation that reads old content needs its size and hash."""
    manifest = _delta()
    for info in (PartitionInfo(0, HASH), PartitionInfo(4096, b"short")):
        partition = replace(manifest.partitions[0], old=info)
        with pytest.raises(PayloadError, match="no proper size and hash"):
            check_manifest(replace(manifest, partitions=(partition,)), 297)
    other = replace(manifest.partitions[0], name="other", old=None)
    with pytest.raises(PayloadError, match="in partition other although that has no old content"):
        check_manifest(replace(manifest, partitions=(*manifest.partitions, other)), 297)


def test_unsigned_payload() -> None:
    """Without a signature the data fill the payload, and no signature size may be given."""
    unsigned = replace(_delta(), signatures_offset=None, signatures_size=0)
    check_manifest(unsigned, 30)
    with pytest.raises(PayloadError, match="belong to no operation"):
        check_manifest(unsigned, 31)
    with pytest.raises(PayloadError, match="a size and no place"):
        check_manifest(replace(unsigned, signatures_size=267), 30)


SIZE = 2 * 4096
DATA = bytes(range(256)) * 32
LZMA2 = {"id": lzma.FILTER_LZMA2}
X86, ARM, THUMB, DELTA = (
    {"id": getattr(lzma, f"FILTER_{name}")} for name in ("X86", "ARM", "ARMTHUMB", "DELTA")
)


def _xz(*filters, check=lzma.CHECK_NONE):
    return lzma.compress(DATA, check=check, filters=[*filters, LZMA2])


def _patch(magic, size=SIZE):
    return magic + struct.pack("<3Q", 1, 2, size)


GOOD = [
    (0, b"anything"),
    (1, bz2.compress(DATA)),
    (1, bz2.compress(DATA, 1)),
    (8, _xz()),
    (8, _xz(check=lzma.CHECK_CRC32)),
    *[(8, _xz(each)) for each in (X86, ARM, THUMB)],
    (5, _patch(b"BSDIFF40")),
    (5, _patch(b"BSDF2\0\1\2")),
    (10, _patch(b"BSDF2\2\2\2")),
    (9, b"puff"),
]
BAD = [
    (1, b"", "not a bzip2 stream"),
    (1, b"BZh0", "not a bzip2 stream"),
    (1, _xz(), "not a bzip2 stream"),
    (8, bz2.compress(DATA), "not an xz stream"),
    (8, _xz()[:12], "not an xz stream"),
    (8, _xz()[:14], "not an xz stream"),
    (8, lzma.compress(DATA, lzma.FORMAT_ALONE), "not an xz stream"),
    (8, _xz(check=lzma.CHECK_CRC64), "another check"),
    (8, _xz(check=lzma.CHECK_SHA256), "another check"),
    (8, _xz(DELTA), "another filter"),
    (8, _xz(X86, ARM), "another filter"),
    (8, _xz(X86 | {"start_offset": 16}), "another filter"),
    (5, _patch(b"BSDIFF41"), "not a patch"),
    (5, _patch(b"BSDF2\0\1\3"), "not a patch"),
    (5, _patch(b"BSDIFF40")[:-1], "not a patch"),
    (5, _patch(b"BSDIFF40", SIZE - 1), "another length than the 8192 bytes"),
    (10, _patch(b"BSDF2\2\2\2", SIZE | 1 << 63), "another length"),
]


def _with_data(kind, data):
    return Operation(kind, 0, len(data), (), (Extent(0, 1), Extent(5, 1)), b"", b"", None, None)


def test_find_fault_in_operation_data():
    """Compressors, filters and lengths that a phone does not support are named."""
    for kind, data in GOOD:
        assert find_fault(_with_data(kind, data), data[:HEAD]) == ""
    for kind, data, words in BAD:
        with case(kind, words):
            assert words in find_fault(_with_data(kind, data), data[:HEAD])


def _digest(packed: bytes, limit: int, piece: int) -> bytes:
    followed = BrotliSize(limit)
    for at in range(0, len(packed), piece):
        followed.update(memoryview(packed)[at : at + piece])
    return followed.digest()


@given(st.binary(max_size=3000), st.integers(1, 500))
def test_brotli_size(data: bytes, piece: int) -> None:
    """The size does not depend on the pieces."""
    assert _digest(brotli.compress(data, quality=4), 3000, piece) == len(data).to_bytes(8)


def test_brotli_size_of_invalid_data(monkeypatch) -> None:
    """Truncated, extended or invalid brotli data have no size."""
    packed = brotli.compress(b"quiet, clear")
    for data in (packed[:-1], packed + b"x", b"", b"\xff" * 20):
        for piece in (1, 100):
            assert _digest(data, 100, piece) == b""
    monkeypatch.setattr(payload_checks, "_PIECE", 100)
    packed = brotli.compress(bytes(500_000))
    assert _digest(packed, 500_000, 3) == (500_000).to_bytes(8)
    assert _digest(packed, 499_999, 3) == b""


@given(st.binary(max_size=400))
def test_brotli_size_of_arbitrary_bytes(raw: bytes) -> None:
    """Arbitrary bytes have a size or none, and raise nothing."""
    assert len(_digest(raw, 1000, 50)) in {0, 8}
