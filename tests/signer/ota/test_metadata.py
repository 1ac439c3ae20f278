import pytest

from fixtures.protobuf_writer import bytes_field, varint_field
from signer.ota.errors import MetadataError, UnsupportedError
from signer.ota.metadata import decode_pb, decode_text
from tests.cases import case

# Hand-written in AOSP's format, for an incremental that wipes.
TEXT = """\
ota-property-files=payload_metadata.bin:1:2,payload.bin:1:9   \n\
ota-required-cache=0
ota-type=AB
ota-wipe=yes
post-build=Brand/prod/dev:14/ID/2:user/release-keys
post-build-incremental=2
post-sdk-level=34
post-security-patch-level=2026-05-05
post-timestamp=1778464800
pre-build=Brand/prod/dev:14/ID/1:user/release-keys|Brand/prod2/dev:14/ID/1:user/release-keys
pre-build-incremental=1
pre-device=dev|dev2
"""


def _pb(
    *, kind: int = 1, after: bytes = b"", more_before: bytes = b"", more_after: bytes = b""
) -> bytes:
    before = bytes_field(1, "dev") + bytes_field(1, "dev2")
    before += bytes_field(2, "Brand/prod/dev:14/ID/1:user/release-keys")
    before += bytes_field(2, "Brand/prod2/dev:14/ID/1:user/release-keys") + bytes_field(3, "1")
    after = after or (
        bytes_field(2, "Brand/prod/dev:14/ID/2:user/release-keys")
        + bytes_field(3, "2")
        + varint_field(4, 1778464800)
        + bytes_field(5, "34")
        + bytes_field(6, "2026-05-05")
    )
    files = bytes_field(1, "ota-property-files")
    files += bytes_field(2, "payload_metadata.bin:1:2,payload.bin:1:9")
    out = varint_field(1, kind) + varint_field(2, 1) + bytes_field(4, files)
    return out + bytes_field(5, before + more_before) + bytes_field(6, after + more_after)


def _text(old: str, new: str) -> bytes:
    assert old in TEXT
    return TEXT.replace(old, new).encode()


def test_malformed_text() -> None:
    """The message names the fault; size and unknown keys are limited."""
    for old, new, fault in (
        ("ota-type=AB", "ota-type=AB\n", "Line 4"),
        ("ota-type=AB", "ota-type=AB\r", "Line 3"),
        ("pre-device=dev|dev2", "pre-device=dev|", "pre-device is missing or malformed"),
        ("post-timestamp=1778464800", "post-timestamp=01778464800", "not a plain number"),
        ("post-timestamp=1778464800", "post-timestamp=0", "not a date after 1970"),
        ("post-timestamp=1778464800", "post-timestamp=-5", "not a plain number"),
        ("post-sdk-level=34", "post-sdk-level=U", "not a plain number"),
        ("post-build-incremental=2", "post-build-incremental=", "missing or malformed"),
        ("ID/2:user", "ID/2 :user", "post-build is missing or malformed"),
    ):
        with case(new), pytest.raises(MetadataError, match=fault):
            decode_text(_text(old, new))
    lines = "".join(f"x-{index}=1\n" for index in range(65))
    with pytest.raises(MetadataError, match="65 keys or fields that are unknown"):
        decode_text(TEXT.encode() + lines.encode())
    with pytest.raises(MetadataError, match="larger than 64 KiB"):
        decode_text(bytes((64 << 10) + 1))
    with pytest.raises(MetadataError, match="larger than 1 MiB"):
        decode_pb(bytes((1 << 20) + 1))


def test_unsupported_kinds() -> None:
    """Unsupported kinds of packages are told apart from malformed ones."""
    for old, new, fault in (
        ("ota-type=AB", "ota-type=BRICK", "type is BRICK"),
        ("ota-type=AB\n", "", "type is missing"),
        ("ota-wipe=yes", "ota-retrofit-dynamic-partitions=yes", "retrofit"),
        ("ID/2:user/release-keys", "ID/2:user/release-keys|Brand/x", "more than one target"),
    ):
        with case(old), pytest.raises(UnsupportedError, match=fault):
            decode_text(_text(old, new))
    with pytest.raises(UnsupportedError, match="type is BRICK"):
        decode_pb(_pb(kind=3))
    with pytest.raises(UnsupportedError, match="type is 9"):
        decode_pb(_pb(kind=9))


def test_malformed_protobuf() -> None:
    """Duplicate keys, wrong wire types and fields without a line in the text are refused."""
    files = bytes_field(4, bytes_field(1, "a") + bytes_field(2, "b"))
    with pytest.raises(MetadataError, match="'a' twice"):
        decode_pb(_pb() + files + files)
    with pytest.raises(MetadataError, match="field 2 has wire type 0; it must have 2"):
        decode_pb(_pb(after=varint_field(2, 7)))
    for before, after, fault in (
        (b"", bytes_field(1, "dev3"), "turns one device into another"),
        (b"", bytes_field(1, "dev2") + bytes_field(1, "dev"), "turns one device into another"),
        (varint_field(4, 1), b"", "that the package starts from"),
        (bytes_field(6, "2026-01-05"), b"", "that the package starts from"),
        (b"", bytes_field(7, b"\xff"), "metadata.pb is malformed"),
    ):
        with case(before), pytest.raises(MetadataError, match=fault):
            decode_pb(_pb(more_before=before, more_after=after))
