import hashlib
import io
import struct

import pytest

from fixtures.payload_writer import sign_payload
from fixtures.protobuf_writer import bytes_field, varint_field
from signer.ota.errors import PayloadError, UnsupportedError
from signer.ota.payload import Header, decode_header, load_payload, load_payload_signature


def _header(
    magic: bytes = b"CrAU", major: int = 2, manifest: int = 10, signature: int = 4
) -> bytes:
    return struct.pack(">4sQQL", magic, major, manifest, signature)


def test_header() -> None:
    """Sizes are big-endian; metadata ends after the manifest, blobs start after the signature."""
    header = decode_header(_header())
    assert header == Header(manifest_size=10, signature_size=4)
    assert header.metadata_size == 34
    assert header.blobs_offset == 38


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"", "does not start with CrAU"),
        (_header(magic=b"PK\x03\x04"), "does not start with CrAU"),
        (_header()[:23], "ends within its header"),
        (_header(manifest=0), "a manifest of 0 bytes"),
        (_header(manifest=(16 << 20) + 1), "a manifest of 16777217 bytes"),
        (_header(signature=65537), "larger than 64 KiB"),
    ],
)
def test_headers_that_are_refused(raw: bytes, fault: str) -> None:
    """Sizes are checked against their caps before a byte more is read."""
    with pytest.raises(PayloadError, match=fault):
        decode_header(raw)


@pytest.mark.parametrize("major", [0, 1, 3, 1 << 63])
def test_other_major_versions(major: int) -> None:
    """Only major version 2 is read; another one is told apart from a broken file."""
    with pytest.raises(UnsupportedError, match=f"major version {major};"):
        decode_header(_header(major=major))


def test_front_of_a_payload_inside_another_file() -> None:
    """A payload that starts at an offset is read from there, signatures included."""
    manifest = varint_field(3, 4096) + varint_field(4, 5) + varint_field(5, 267)
    manifest += bytes_field(13, b"")
    written = sign_payload(manifest, b"quiet")
    stream = io.BytesIO(b"before" + written.data + b"after")
    payload = load_payload(stream, 6, len(written.data))
    assert payload.metadata == written.data[: 24 + len(manifest)]
    assert payload.metadata_hash == hashlib.sha256(payload.metadata).digest()
    assert payload.metadata_signature == written.data[24 + len(manifest) :][:267]
    assert payload.blobs_length == 5 + 267
    assert load_payload_signature(stream, payload) == written.data[-267:]


def test_a_payload_must_hold_its_manifest() -> None:
    """A manifest that runs beyond the payload is refused even when the file goes on."""
    with pytest.raises(PayloadError, match="beyond the end of the file"):
        load_payload(io.BytesIO(_header() + bytes(100)), 0, 37)
    with pytest.raises(PayloadError, match="cut off within its manifest"):
        load_payload(io.BytesIO(_header() + bytes(5)), 0, 100)


def test_a_payload_signature_has_a_cap() -> None:
    """A signature larger than 64 KiB is not read."""
    manifest = varint_field(4, 0) + varint_field(5, 65537) + bytes_field(13, b"")
    data = _header(manifest=len(manifest), signature=0) + manifest + bytes(65537)
    stream = io.BytesIO(data)
    with pytest.raises(PayloadError, match="signature larger than 64 KiB"):
        load_payload_signature(stream, load_payload(stream, 0, len(data)))
