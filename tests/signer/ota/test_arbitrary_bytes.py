"""On arbitrary bytes every decoder returns a value or raises the package's own error."""

import contextlib
import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.block import build_block_zip
from fixtures.block_writer import plan_update
from fixtures.build import build_payload, build_zip
from fixtures.catalogue import Package, find_build
from fixtures.golden import build_golden
from fixtures.newer import newer_packages
from fixtures.repack import member_data, split_members
from fixtures.signing import CERTIFICATE_FILE
from fixtures.zip_writer import write_zip
from signer.ota.block_package import check_transfer_list
from signer.ota.container import DEFLATED, Entry, load_container, load_entry
from signer.ota.errors import OtaError
from signer.ota.inspect import inspect_ota
from signer.ota.manifest import decode_manifest
from signer.ota.metadata import METADATA, METADATA_PB, decode_pb, decode_text
from signer.ota.payload import decode_header, load_payload
from signer.ota.payload_checks import check_manifest
from signer.ota.properties import decode_payload_properties, decode_property_files
from signer.ota.signatures import (
    decode_certificate,
    decode_comment,
    decode_signatures,
    verify_cms,
    verify_signatures,
)
from signer.ota.transfer_list import TransferCaps, decode_ranges, decode_transfer_list
from signer.ota.zip_records import (
    check_name,
    decode_directory,
    decode_end,
    decode_end64,
    decode_local,
    decode_locator,
    local_tail_length,
)

CERTIFICATE = decode_certificate(CERTIFICATE_FILE.read_bytes())
STEP = Package(find_build("armani", "id", 2), find_build("armani", "id", 1))
GOOD = build_zip(STEP.target, STEP.source)
PAYLOAD = build_payload(STEP)
PLAIN = write_zip(split_members(GOOD))
COMMENT = GOOD[len(PLAIN) :]
CMS = COMMENT[len("signed by SignApk") + 1 : -6]
MANIFEST = PAYLOAD.data[24 : PAYLOAD.metadata_size]
SIGNATURES = PAYLOAD.data[-267:]
UPDATE = plan_update(
    *(build.image("system").read_bytes() for build in (STEP.source, STEP.target)), version=4
)
DIRECTORY = PLAIN[PLAIN.index(b"PK\x01\x02") : -22]


def _load_all(raw: bytes) -> None:
    stream = io.BytesIO(raw)
    for entry in load_container(stream, len(raw)).entries.values():
        load_entry(stream, entry, 1 << 20)


def _load_payload(raw: bytes) -> None:
    payload = load_payload(io.BytesIO(raw), 0, len(raw))
    check_manifest(payload.manifest, payload.blobs_length)


def _check_manifest(raw: bytes) -> None:
    check_manifest(decode_manifest(raw), 20_000)


def _check_list(raw: bytes) -> None:
    transfer = decode_transfer_list(raw)
    sizes = len(UPDATE.new_data), len(UPDATE.patch_data)
    assert check_transfer_list(transfer, "system", *sizes, TransferCaps()).size <= 64 << 30


# Each decoder with an input that it accepts, or nearly; mutations start from there.
DECODERS: dict[str, tuple[Callable[[bytes], Any], bytes]] = {
    "certificate": (decode_certificate, CERTIFICATE_FILE.read_bytes()),
    "certificate-der": (decode_certificate, CERTIFICATE.der),
    "container": (_load_all, PLAIN),
    "directory": (lambda raw: decode_directory(raw, 5), DIRECTORY),
    "end": (decode_end, PLAIN[-22:]),
    "end64": (decode_end64, b"PK\x06\x06" + bytes(52)),
    "local": (decode_local, PLAIN[:59]),
    "local-tail": (local_tail_length, PLAIN[:30]),
    "locator": (decode_locator, b"PK\x06\x07" + bytes(12) + b"\1\0\0\0"),
    "entry-name": (check_name, b"META-INF/com/android/metadata"),
    "metadata": (decode_text, member_data(GOOD, METADATA)),
    "metadata-pb": (decode_pb, member_data(GOOD, METADATA_PB)),
    "properties": (decode_payload_properties, PAYLOAD.properties),
    "property-files": (
        lambda raw: decode_property_files(raw.decode("latin-1"), "ota-property-files"),
        b"payload.bin:1:2,metadata:3:4   ",
    ),
    "header": (decode_header, PAYLOAD.data[:24]),
    "manifest": (_check_manifest, MANIFEST),
    "payload": (_load_payload, PAYLOAD.data),
    "signatures": (lambda raw: decode_signatures(raw, "signature"), SIGNATURES),
    "comment": (lambda raw: decode_comment(raw, 100_000), COMMENT),
    "transfer-list": (_check_list, UPDATE.transfer_list.encode()),
    "ranges": (lambda raw: decode_ranges(raw.decode("latin-1")), b"4,0,5,7,9"),
    "signed-bytes": (lambda raw: verify_signatures(raw, bytes(32), CERTIFICATE, "it"), SIGNATURES),
    "cms": (lambda raw: verify_cms(raw, bytes(32), CERTIFICATE), CMS),
}


@st.composite
def damaged(draw: st.DrawFn, good: bytes) -> bytes:
    """Change, remove or insert a few bytes of a good input."""
    out = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(out) - 1)))
        length = draw(st.integers(0, 8))
        out[at : at + length] = draw(st.binary(max_size=8))
    return bytes(out)


@pytest.mark.parametrize("name", sorted(DECODERS))
@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_decoders_raise_nothing_but_their_own_error(name: str, data: st.DataObject) -> None:
    """Whether the bytes are noise or nearly right, there is a value or an OtaError."""
    decode, good = DECODERS[name]
    raw = data.draw(st.one_of(st.binary(max_size=400), damaged(good)))
    with contextlib.suppress(OtaError):
        decode(raw)


@given(raw=st.binary(max_size=600))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_noise_is_a_package(raw: bytes, tmp_path: Path) -> None:
    """Arbitrary bytes in a file are refused; nothing else is raised."""
    path = tmp_path / "noise.zip"
    path.write_bytes(raw)
    with pytest.raises(OtaError):
        inspect_ota(path)


WHOLE = {
    "golden": build_golden(STEP.target),
    "block": build_block_zip(STEP),
    **newer_packages(STEP.target, STEP.source),
}


@pytest.mark.parametrize("name", sorted(WHOLE))
@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_damaged_packages(name: str, data: st.DataObject, tmp_path: Path) -> None:
    """A package of any kind that is nearly whole is read or refused, and nothing else happens."""
    path = tmp_path / "damaged.zip"
    path.write_bytes(data.draw(damaged(WHOLE[name])))
    with contextlib.suppress(OtaError):
        inspect_ota(path)


@given(raw=st.binary(max_size=200), size=st.integers(0, 300), crc=st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_arbitrary_deflated_data(raw: bytes, size: int, crc: int) -> None:
    """Data that does not unpack to what the zip announces is refused."""
    stream = io.BytesIO(raw)
    entry = Entry("x", DEFLATED, 0, len(raw), size, crc)
    with contextlib.suppress(OtaError):
        data = load_entry(stream, entry, 300)
        assert (len(data), zlib.crc32(data)) == (size, crc)
