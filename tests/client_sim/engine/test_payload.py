import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.engine.errors import EngineError, PackageError, UnsupportedError
from client_sim.engine.payload import PayloadFile, decode_header, load_payload
from tests.cases import case
from tests.client_sim.engine.images import noise
from tests.client_sim.engine.payload_builder import build_payload, full_part


def _open(data: bytes) -> PayloadFile:
    return PayloadFile(io.BytesIO(data), 0, len(data))


def _header(magic=b"CrAU", version=2, manifest=1, signature=0) -> bytes:
    return magic + struct.pack(">QQI", version, manifest, signature) + b"\0" * 8


def test_refused_headers():
    """Another magic or version, and impossible sizes, are refused."""
    for data, words in (
        (b"", "cut short"),
        (_header()[:23], "cut short"),
        (_header(magic=b"PK\3\4"), "CrAU"),
        (_header(version=1), "major version 1"),
        (_header(version=3), "major version 3"),
        (_header(manifest=0), "manifest of 0"),
        (_header(manifest=16 * 1024 * 1024 + 1), "manifest of"),
        (_header(manifest=2**64 - 1), "manifest of"),
        (_header(manifest=9), "cut short"),
        (_header(signature=64 * 1024 + 1), "signature that is too long"),
        (_header(signature=8), "cut short"),
    ):
        with case(data, words):
            kind = UnsupportedError if "version" in words else PackageError
            with pytest.raises(kind, match=words):
                decode_header(_open(data))


def test_payload_inside_a_larger_file():
    """A payload is read from its offset and never beyond its size."""
    data = build_payload([full_part("system", noise(1, 1))])
    file = PayloadFile(io.BytesIO(b"before" + data + b"after"), 6, len(data))
    payload = load_payload(file, decode_header(file))
    (operation,) = payload.manifest.partitions[0].operations
    assert payload.read_blob(operation) == noise(1, 1)
    with pytest.raises(PackageError, match="cut short"):
        PayloadFile(io.BytesIO(b"abc"), 0, 4).read(0, 4)
    for offset, length in ((len(data), 1), (-1, 1), (0, -1), (0, len(data) + 1)):
        with pytest.raises(PackageError):
            file.read(offset, length)


@given(st.binary(max_size=300), st.booleans())
def test_arbitrary_bytes_give_only_engine_errors(data, has_header):
    """Arbitrary bytes, with and without a valid header, raise only `EngineError`."""
    if has_header:
        data = b"CrAU" + struct.pack(">QQI", 2, len(data), 0) + data
    file = _open(data)
    with pytest.raises(EngineError):
        load_payload(file, decode_header(file))
