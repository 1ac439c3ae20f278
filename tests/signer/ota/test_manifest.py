import pytest

from fixtures.protobuf_writer import bytes_field, varint_field
from signer.ota.errors import PayloadError
from signer.ota.manifest import PartitionInfo, decode_manifest
from signer.ota.operations import Extent
from tests.cases import case


def test_decode_each_field() -> None:
    """A manifest with the published field numbers is decoded."""
    extent = varint_field(1, 7) + varint_field(2, 3)
    operation = varint_field(1, 5) + varint_field(2, 10) + varint_field(3, 20)
    operation += bytes_field(4, extent) + varint_field(5, 12288) + bytes_field(6, extent)
    operation += varint_field(7, 12288) + bytes_field(8, b"d" * 32) + bytes_field(9, b"s" * 32)
    partition = bytes_field(1, "system") + bytes_field(6, varint_field(1, 1) + bytes_field(2, "o"))
    partition += bytes_field(7, varint_field(1, 2) + bytes_field(2, "n"))
    partition += bytes_field(8, operation) + bytes_field(11, extent) + bytes_field(15, extent)
    partition += bytes_field(17, "1778464800")
    raw = varint_field(3, 512) + varint_field(4, 30) + varint_field(5, 267) + varint_field(12, 7)
    raw += bytes_field(13, partition) + varint_field(14, 99) + varint_field(16, 1)
    raw += bytes_field(18, "2026-05-05")
    manifest = decode_manifest(raw)
    assert (manifest.block_size, manifest.minor_version) == (512, 7)
    assert (manifest.signatures_offset, manifest.signatures_size) == (30, 267)
    assert (manifest.max_timestamp, manifest.security_patch_level) == (99, "2026-05-05")
    assert manifest.partial_update
    (found,) = manifest.partitions
    assert (found.name, found.version) == ("system", "1778464800")
    assert (found.old, found.new) == (PartitionInfo(1, b"o"), PartitionInfo(2, b"n"))
    assert found.written_by_device == (Extent(7, 3), Extent(7, 3))
    assert found.has_verity
    (step,) = found.operations
    assert step.name == "SOURCE_BSDIFF"
    assert (step.data_offset, step.data_length) == (10, 20)
    assert step.sources == step.targets == (Extent(7, 3),)
    assert step.source_length == step.target_length == 12288
    assert (step.data_hash, step.source_hash) == (b"d" * 32, b"s" * 32)


def test_defaults() -> None:
    """A manifest without fields is full and unsigned; old content makes it a delta."""
    manifest = decode_manifest(bytes_field(13, b""))
    assert manifest.block_size == 4096
    assert manifest.signatures_offset is None
    assert list(manifest.partitions[0].operations) == []
    assert not manifest.is_delta
    for raw, delta in (
        (varint_field(16, 1) + bytes_field(13, b""), True),
        (bytes_field(13, bytes_field(6, b"")), True),
        (bytes_field(13, bytes_field(7, b"")), False),
    ):
        with case(raw):
            assert decode_manifest(raw).is_delta is delta


def test_unknown_fields_are_limited() -> None:
    """At most 64 unknown names are listed; fields that nothing reads must be well formed."""
    partition = bytes_field(13, b"")
    fields = b"".join(varint_field(number, 1) for number in range(100, 165))
    with pytest.raises(PayloadError, match="more than 64 unknown fields"):
        decode_manifest(partition + fields)
    types = b"".join(bytes_field(8, varint_field(1, number)) for number in range(100, 165))
    with pytest.raises(PayloadError, match="more than 64 unknown fields and operations"):
        decode_manifest(bytes_field(13, types))
    group = bytes_field(15, bytes_field(1, varint_field(9, 1)))
    assert decode_manifest(bytes_field(13, b"") + group).unknown == {"nested-field-9"}
    many = b"".join(bytes_field(1, varint_field(number, 1)) for number in range(100, 165))
    with pytest.raises(PayloadError, match="more than 64 unknown fields"):
        decode_manifest(bytes_field(13, b"") + bytes_field(15, many))
    for number in (3, 5, 10, 18):
        with case(number), pytest.raises(PayloadError, match="manifest is malformed"):
            decode_manifest(bytes_field(13, bytes_field(number, b"\xff")))
    with pytest.raises(PayloadError, match="larger than 16 MiB"):
        decode_manifest(bytes((16 << 20) + 1))


def test_unknown_nested_fields() -> None:
    """Unknown fields of nested messages are listed by name, too."""
    for partition, name in (
        (bytes_field(8, varint_field(1, 6) + bytes_field(6, varint_field(2, 1))), None),
        (
            bytes_field(
                8, varint_field(1, 6) + bytes_field(6, varint_field(2, 1) + varint_field(3, 1))
            ),
            "extent-field-3",
        ),
        (bytes_field(7, varint_field(9, 1)), "info-field-9"),
        (bytes_field(18, varint_field(99, 1)), "nested-field-99"),
        (bytes_field(18, bytes_field(2, varint_field(98, 1))), "nested-field-98"),
    ):
        with case(partition):
            found = decode_manifest(bytes_field(13, partition)).unknown
            assert found == ({name} if name else set())
