import io
import struct

import pytest

from fixtures.protobuf_writer import bytes_field, varint_field
from signer.ota.errors import PayloadError
from signer.ota.payload import decode_header, load_payload, load_payload_signature


def _header(
    magic: bytes = b"CrAU", major: int = 2, manifest: int = 10, signature: int = 4
) -> bytes:
    return struct.pack(">4sQQL", magic, major, manifest, signature)


def test_malformed_header() -> None:
    """Truncated headers, missing manifests and signatures over 64 KiB are refused."""
    for raw, fault in (
        (b"", "does not start with CrAU"),
        (_header()[:23], "ends within its header"),
        (_header(manifest=0), "a manifest of 0 bytes"),
    ):
        with pytest.raises(PayloadError, match=fault):
            decode_header(raw)
    with pytest.raises(PayloadError, match="beyond the end of the file"):
        load_payload(io.BytesIO(_header() + bytes(100)), 0, 37)
    with pytest.raises(PayloadError, match="cut off within its manifest"):
        load_payload(io.BytesIO(_header() + bytes(5)), 0, 100)
    manifest = varint_field(4, 0) + varint_field(5, 65537) + bytes_field(13, b"")
    data = _header(manifest=len(manifest), signature=0) + manifest + bytes(65537)
    stream = io.BytesIO(data)
    with pytest.raises(PayloadError, match="signature larger than 64 KiB"):
        load_payload_signature(stream, load_payload(stream, 0, len(data)))
