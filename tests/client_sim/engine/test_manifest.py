import contextlib

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from client_sim.engine.errors import EngineError, PackageError
from client_sim.engine.manifest import Extent, OperationType, decode_manifest
from tests.cases import case
from tests.client_sim.engine.payload_builder import Op, Part, extent, field, image_info
from tests.client_sim.engine.streamed import open_payload
from tests.package_readers import parse

PART = Part(name="system", new=b"new", ops=(Op(type=0, dst=((0, 1),), data=b"d"),))


def _manifest(part=PART, more=b""):
    return field(13, part.encode(0)) + more


@pytest.mark.parametrize(("kind", "minor"), [("full", 0), ("delta", 6)])
@pytest.mark.needs("samples")
def test_aosp_manifests(samples, kind, minor):
    """AOSP's samples decode to the published facts."""
    decoded = open_payload(samples[f"{kind}_payload.bin"]).manifest
    assert (decoded.minor_version, decoded.block_size, decoded.max_timestamp) == (minor, 4096, 0)
    assert decoded.signatures_offset is decoded.signatures_size is None
    assert decoded.is_delta == (kind == "delta")
    kernel, root = decoded.partitions
    assert (kernel.name, kernel.new.size, root.name, root.new.size) == (
        "kernel", 4194304, "root", 12288,
    )  # fmt: skip
    names = [operation.type.name for operation in kernel.operations]
    if kind == "full":
        assert names == ["REPLACE_BZ"] * 2
        assert kernel.old is None
    else:
        assert {name: names.count(name) for name in names} == {
            "BROTLI_BSDIFF": 1, "SOURCE_COPY": 1, "ZERO": 6, "REPLACE_BZ": 6,
        }  # fmt: skip
        assert kernel.old.sha256.hex().startswith("42a879e9d112c816")
    assert [operation.type.name for operation in root.operations] == ["REPLACE_XZ"]


def test_every_field_is_read():
    """Each field comes from its number in AOSP's proto file."""
    op = Op(
        type=OperationType.SOURCE_BSDIFF, dst=((1, 2), (5, 3)), src=((7, 1),), data=b"data",
        data_sha256=b"d" * 32, src_sha256=b"s" * 32, src_length=4096, dst_length=20480,
    )  # fmt: skip
    part = Part(name="product", new=b"n", old=b"old", ops=(op,))
    rest = field(3, 8192) + field(4, 100) + field(5, 200) + field(12, 7) + field(14, 1_700_000_000)
    decoded = decode_manifest(
        field(13, part.encode(11)) + rest + field(16, 1) + field(18, "2026-03-05")
    )
    place = (decoded.block_size, decoded.signatures_offset, decoded.signatures_size)
    assert place == (8192, 100, 200)
    assert (decoded.minor_version, decoded.max_timestamp) == (7, 1_700_000_000)
    assert (decoded.is_partial, decoded.security_patch_level) == (True, "2026-03-05")
    (partition,) = decoded.partitions
    assert (partition.name, partition.new.size, partition.old.size) == ("product", 1, 3)
    (operation,) = partition.operations
    assert (operation.type, operation.data_offset, operation.data_length) == (5, 11, 4)
    assert operation.src == (Extent(7, 1),)
    assert operation.dst == (Extent(1, 2), Extent(5, 3))
    assert (operation.src_bytes, operation.dst_bytes) == (4096, 20480)
    assert (operation.src_length, operation.dst_length) == (4096, 20480)
    assert (operation.data_sha256, operation.src_sha256) == (b"d" * 32, b"s" * 32)


def test_unknown_fields_are_skipped():
    """Fields of later versions, and those that the engine does not use, are ignored."""
    known = decode_manifest(_manifest())
    assert decode_manifest(_manifest(more=field(15, b"groups") + field(99, 1))) == known


def test_names_that_could_be_paths_are_refused():
    """A partition name has only letters, digits, underscores and hyphens."""
    for name in ("", ".", "../system", "a/b", "a.img", "-a", "a\n", "système", "a\0"):
        with case(name), pytest.raises(PackageError, match="names a partition"):
            decode_manifest(_manifest(Part(name=name, new=b"", ops=())))


def test_incomplete_manifests_are_refused():
    """A manifest with a missing or malformed field is refused."""
    for encoded, words in (
        (field(13, field(1, "a")), "what partition a must become"),
        (field(13, field(1, "a") + field(7, field(1, 4))), "without its sha256"),
        (field(13, field(1, "a") + field(7, field(2, b"x"))), "not a sha256"),
        (field(13, field(1, "a") + field(7, image_info(b"")) + field(8, b"")), "has no type"),
        (field(13, 1), "wire type"),
        (field(12, 1 << 32), "32 bits"),
        (field(14, 1 << 63), "63 bits"),
    ):
        with case(encoded, words), pytest.raises(PackageError, match=words):
            decode_manifest(encoded)


@given(st.data())
def test_mutated_manifests_give_only_engine_errors(data):
    """A changed byte gives an `EngineError`, or the values that protobuf's own library decodes.

    That library also decodes the fields that a phone ignores, and may refuse them.
    """
    encoded = bytearray(_manifest(more=field(17, extent(1, 2))))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(EngineError, DecodeError):
        decoded = decode_manifest(bytes(encoded)).partitions
        theirs = parse("DeltaArchiveManifest", bytes(encoded)).partitions
        for ours, other in zip(decoded, theirs, strict=True):
            info = other.new_partition_info
            assert (ours.name, len(ours.operations)) == (
                other.partition_name,
                len(other.operations),
            )
            assert (ours.new.size, ours.new.sha256) == (info.size, info.hash)
