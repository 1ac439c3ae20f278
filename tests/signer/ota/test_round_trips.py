"""The reader decodes what the fixtures' writers encode."""

import base64
import io
import struct
import zipfile

from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.ota_writer import encode_metadata
from fixtures.payload_operations import Operation as Planned
from fixtures.payload_writer import Partition as Written
from fixtures.payload_writer import encode_manifest, sign_payload
from fixtures.protobuf_writer import (
    bytes_field,
    encode_varint,
    fixed32_field,
    map_field,
    varint_field,
)
from fixtures.zip_writer import (
    DEFLATED,
    STORED,
    Member,
    central_header,
    local_header,
    write_zip,
    zip64_end,
)
from server.core.der import decode_elements
from signer.ota.container import load_container, load_entry
from signer.ota.manifest import decode_manifest
from signer.ota.metadata import check_agreement, decode_pb, decode_text
from signer.ota.operations import Extent
from signer.ota.payload import Header, decode_header, load_payload
from signer.ota.properties import Span, decode_payload_properties, decode_property_files
from signer.ota.protobuf import BYTES, VARINT, Field, Schema, decode_message, decode_varint
from signer.ota.signatures import SignedFile, decode_comment, decode_integer, decode_signatures
from signer.ota.zip_records import End, decode_directory, decode_end64, decode_local, decode_locator

NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,12}(/[a-z0-9._-]{1,12}x){0,2}", fullmatch=True)
# No two names differ only in case, no file is also a folder, and no name is a device's.
FILE_NAMES = st.from_regex(r"f[a-z0-9_-]{0,11}(/f[a-z0-9._-]{0,11}x){0,2}\.bin", fullmatch=True)
SIZES = st.one_of(st.integers(0, 5000), st.integers(0, 1 << 36))
WORDS = st.from_regex(r"[!-{}~]{1,30}", fullmatch=True)
NUMBERS = st.integers(1, 10**15)
HASHES = st.binary(min_size=32, max_size=32)


@given(
    st.dictionaries(FILE_NAMES, st.binary(max_size=300), min_size=1, max_size=6),
    st.sampled_from([STORED, DEFLATED]),
    st.booleans(),
)
@settings(deadline=None)
def test_zip(files: dict[str, bytes], method: int, zip64: bool) -> None:
    """Entries have their bytes, and Python's zipfile reads the same."""
    raw = write_zip([Member(name, data, method) for name, data in files.items()], zip64=zip64)
    stream = io.BytesIO(raw)
    found = load_container(stream, len(raw)).entries
    assert {name: load_entry(stream, entry, 300) for name, entry in found.items()} == files
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert {info.filename: archive.read(info) for info in archive.infolist()} == files


@given(NAMES, st.integers(0, (1 << 32) - 1), SIZES, SIZES)
def test_zip_headers(name: str, crc: int, size: int, offset: int) -> None:
    """Sizes and offsets of any magnitude are decoded, with zip64 or without."""
    (central,) = decode_directory(central_header(name, crc, size, offset), 1)
    local = decode_local(local_header(name, crc, size))
    for header in (central, local):
        assert (header.name.decode(), header.crc, header.size) == (name, crc, size)
        assert header.packed_size == size
    assert central.offset == offset


@given(st.integers(0, 1000), SIZES, SIZES)
def test_zip64_end(count: int, size: int, offset: int) -> None:
    """The record has all three values, and its locator leads to it."""
    raw = zip64_end(count, size, offset)
    assert decode_end64(raw[:56]) == End(count, size, offset)
    assert decode_locator(raw[56:]) == offset + size


@given(st.integers(0, (1 << 64) - 1))
def test_varint(value: int) -> None:
    """Every number of 64 bits has one encoding."""
    raw = encode_varint(value)
    assert decode_varint(raw, 0, ValueError) == (value, len(raw))


@given(st.dictionaries(st.integers(1, 200), st.one_of(st.integers(0, 1 << 40), st.binary())))
def test_message(fields: dict[int, int | bytes]) -> None:
    """Numbers and bytes are found under their field numbers."""
    raw = b"".join(
        bytes_field(number, value) if isinstance(value, bytes) else varint_field(number, value)
        for number, value in fields.items()
    )
    schema = Schema(
        {
            number: Field(BYTES if isinstance(value, bytes) else VARINT)
            for number, value in fields.items()
        }
    )
    assert decode_message(raw, schema, ValueError).values == fields


@given(
    st.lists(WORDS, min_size=1, max_size=3, unique=True),
    st.lists(WORDS, max_size=3, unique=True),
    WORDS,
    WORDS,
    NUMBERS,
    st.integers(1, 99),
    st.dates().map(str),
    st.sets(st.sampled_from(["ota-wipe", "ota-downgrade", "spl-downgrade"])),
)
def test_metadata_as_text_and_protobuf(
    devices: list[str],
    sources: list[str],
    fingerprint: str,
    incremental: str,
    moment: int,
    sdk: int,
    level: str,
    flags: set[str],
) -> None:
    """Both forms of the same facts decode to one value."""
    fields = {
        "ota-type": "AB",
        "pre-device": "|".join(devices),
        "post-build": fingerprint,
        "post-build-incremental": incremental,
        "post-timestamp": str(moment),
        "post-sdk-level": str(sdk),
        "post-security-patch-level": level,
        "ota-property-files": "payload.bin:1:2   ",
        **dict.fromkeys(flags, "yes"),
    }
    if sources:
        fields["pre-build"] = "|".join(sources)
        fields["pre-build-incremental"] = "1"
    before = b"".join(bytes_field(1, each) for each in devices)
    before += b"".join(bytes_field(2, each) for each in sources)
    before += bytes_field(3, "1") if sources else b""
    after = bytes_field(2, fingerprint) + bytes_field(3, incremental) + varint_field(4, moment)
    after += bytes_field(5, str(sdk)) + bytes_field(6, level)
    binary = varint_field(1, 1) + bytes_field(5, before) + bytes_field(6, after)
    binary += map_field(4, {"ota-property-files": "payload.bin:1:2"})
    for number, flag in ((2, "ota-wipe"), (3, "ota-downgrade"), (9, "spl-downgrade")):
        if flag in flags:
            binary += varint_field(number, 1)
    text = decode_text(encode_metadata(fields))
    check_agreement(text, decode_pb(binary))
    assert (text.devices, text.source_builds) == (tuple(devices), tuple(sources))
    assert (text.fingerprint, text.incremental) == (fingerprint, incremental)
    assert (text.post_timestamp, text.sdk_level) == (moment, sdk)
    assert text.security_patch_level == level
    assert [text.wipe, text.downgrade, text.spl_downgrade] == [
        flag in flags for flag in ("ota-wipe", "ota-downgrade", "spl-downgrade")
    ]
    assert text.property_files == {"ota-property-files": "payload.bin:1:2"}
    assert text.unknown == ()


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True),
        st.builds(Span, st.integers(0, 10**13), st.integers(0, 10**13)),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 40),
)
def test_property_files(spans: dict[str, Span], padding: int) -> None:
    """Names, offsets and sizes are decoded, whatever the padding."""
    value = ",".join(f"{name}:{span.offset}:{span.size}" for name, span in spans.items())
    assert decode_property_files(value + " " * padding, "ota-property-files") == spans


@given(HASHES, st.integers(1, 10**13), HASHES, st.integers(1, 10**13))
def test_payload_properties(file: bytes, size: int, metadata: bytes, front: int) -> None:
    """Hashes in base64 and decimal sizes are decoded."""
    lines = {
        "FILE_HASH": base64.b64encode(file).decode(),
        "FILE_SIZE": str(size),
        "METADATA_HASH": base64.b64encode(metadata).decode(),
        "METADATA_SIZE": str(front),
    }
    found = decode_payload_properties("\n".join(f"{k}={v}" for k, v in lines.items()).encode())
    assert (found.file_hash, found.file_size) == (file, size)
    assert (found.metadata_hash, found.metadata_size) == (metadata, front)
    assert found.values == lines


@given(st.integers(1, 16 << 20), st.integers(0, 64 << 10))
def test_payload_header(manifest: int, signature: int) -> None:
    """The sizes of manifest and signature are decoded."""
    raw = struct.pack(">4sQQL", b"CrAU", 2, manifest, signature)
    assert decode_header(raw) == Header(manifest, signature)


PLANNED = st.builds(
    Planned,
    st.integers(0, 40),
    st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(1, 1 << 20)), max_size=3).map(tuple),
    st.binary(max_size=40),
    st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(1, 1 << 20)), max_size=3).map(tuple),
    st.one_of(st.just(b""), HASHES),
)


@given(
    st.lists(
        st.builds(
            Written,
            st.text(max_size=20),
            st.binary(max_size=100),
            st.lists(PLANNED, max_size=4),
            st.one_of(st.none(), st.binary(max_size=100)),
        ),
        min_size=1,
        max_size=3,
    ),
    st.integers(0, 12),
    st.integers(0, 1 << 40),
    st.text(max_size=10),
)
@settings(deadline=None)
def test_manifest(partitions: list[Written], minor: int, moment: int, level: str) -> None:
    """Partitions, operations and extents are decoded, also invalid ones."""
    manifest, blobs = encode_manifest(
        partitions, minor_version=minor, max_timestamp=moment, security_patch_level=level
    )
    found = decode_manifest(manifest)
    assert (found.minor_version, found.max_timestamp) == (minor, moment)
    assert (found.security_patch_level, found.signatures_offset) == (level, len(blobs))
    kinds = {each.kind for written in partitions for each in written.operations}
    assert found.unknown == {f"unknown-{kind}" for kind in kinds if kind > 13}
    for written, partition in zip(partitions, found.partitions, strict=True):
        assert partition.name == written.name
        assert partition.new is not None
        assert partition.new.size == len(written.new)
        assert (partition.old is None) == (written.old is None)
        for planned, operation in zip(written.operations, partition.operations, strict=True):
            assert operation.type == planned.kind
            assert operation.targets == tuple(Extent(*each) for each in planned.targets)
            assert operation.sources == tuple(Extent(*each) for each in planned.sources)
            assert operation.source_hash == planned.source_hash
            start = operation.data_offset
            assert blobs[start : start + operation.data_length] == planned.data


@given(st.binary(min_size=1, max_size=200))
@settings(max_examples=25, deadline=None)
def test_payload(blobs: bytes) -> None:
    """Header, manifest and metadata signature are found at any offset."""
    partition = Written("system", b"x", [Planned(0, ((0, 1),), blobs)])
    manifest, data = encode_manifest(
        [partition], minor_version=0, max_timestamp=1, security_patch_level=""
    )
    written = sign_payload(manifest, data)
    found = load_payload(io.BytesIO(b"before" + written.data), 6, len(written.data))
    assert found.metadata == written.data[: written.metadata_size]
    assert len(found.metadata_signature) == 267
    assert found.blobs_length == len(blobs) + 267


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=8), st.integers(0, 5))
def test_signatures(signatures: list[bytes], padding: int) -> None:
    """Each signature is cut to its stated length."""
    raw = b"".join(
        bytes_field(1, bytes_field(2, each + bytes(padding)) + fixed32_field(3, len(each)))
        for each in signatures
    )
    assert decode_signatures(raw, "payload signature") == signatures


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    data = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(data)]) + data + content


@given(st.integers(0, 1 << 200))
def test_der_integer(value: int) -> None:
    """Numbers that are not negative are decoded."""
    (element,) = decode_elements(_der(2, value.to_bytes(value.bit_length() // 8 + 1)))
    assert decode_integer(element) == value


@given(
    st.from_regex(r"signed by [ -~]{1,40}", fullmatch=True),
    st.binary(min_size=1, max_size=300),
    st.integers(1000, 1 << 36),
)
def test_signed_comment(text: str, cms: bytes, length: int) -> None:
    """The signature is found, and what it covers ends before the comment's length."""
    comment = text.encode() + b"\0" + cms
    footer = struct.pack("<3H", len(cms) + 6, 0xFFFF, len(comment) + 6)
    found = decode_comment(comment + footer, length)
    assert found == SignedFile(length - len(comment) - 6 - 2, cms)
