"""On arbitrary bytes each decoder returns a value or raises the package's own error."""

import contextlib
import hashlib
import io
import zlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.block import build_block_zip
from fixtures.block_writer import BlockUpdate, plan_update
from fixtures.build import build_payload, build_zip
from fixtures.catalogue import Package, find_build
from fixtures.golden import build_golden
from fixtures.newer import newer_packages
from fixtures.payload_writer import Payload
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


class Good:
    """Inputs that decoders accept, each made on first use."""

    @cached_property
    def package(self) -> bytes:
        """A signed package."""
        return build_zip(STEP.target, STEP.source)

    @cached_property
    def payload(self) -> Payload:
        """Its payload."""
        return build_payload(STEP)

    @cached_property
    def plain(self) -> bytes:
        """The package without its signature."""
        return write_zip(split_members(self.package))

    @cached_property
    def comment(self) -> bytes:
        """The comment that has the signature."""
        return self.package[len(self.plain) :]

    @cached_property
    def update(self) -> BlockUpdate:
        """A block update of a partition."""
        images = (build.image("system").read_bytes() for build in (STEP.source, STEP.target))
        return plan_update(*images, version=4)

    @cached_property
    def packages(self) -> dict[str, bytes]:
        """A package of each kind."""
        return {
            "golden": build_golden(STEP.target),
            "block": build_block_zip(STEP),
            **newer_packages(STEP.target, STEP.source),
        }


GOOD = Good()


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
    sizes = len(GOOD.update.new_data), len(GOOD.update.patch_data)
    assert check_transfer_list(transfer, "system", *sizes, TransferCaps()).size <= 64 << 30


# Each decoder with an input that it accepts, or almost accepts, to be mutated.
DECODERS: dict[str, tuple[Callable[[bytes], Any], Callable[[], bytes]]] = {
    "certificate": (decode_certificate, CERTIFICATE_FILE.read_bytes),
    "certificate-der": (decode_certificate, lambda: CERTIFICATE.der),
    "container": (_load_all, lambda: GOOD.plain),
    "directory": (
        lambda raw: decode_directory(raw, 5),
        lambda: GOOD.plain[GOOD.plain.index(b"PK\x01\x02") : -22],
    ),
    "end": (decode_end, lambda: GOOD.plain[-22:]),
    "end64": (decode_end64, lambda: b"PK\x06\x06" + bytes(52)),
    "local": (decode_local, lambda: GOOD.plain[:59]),
    "local-tail": (local_tail_length, lambda: GOOD.plain[:30]),
    "locator": (decode_locator, lambda: b"PK\x06\x07" + bytes(12) + b"\1\0\0\0"),
    "entry-name": (check_name, lambda: b"META-INF/com/android/metadata"),
    "metadata": (decode_text, lambda: member_data(GOOD.package, METADATA)),
    "metadata-pb": (decode_pb, lambda: member_data(GOOD.package, METADATA_PB)),
    "properties": (decode_payload_properties, lambda: GOOD.payload.properties),
    "property-files": (
        lambda raw: decode_property_files(raw.decode("latin-1"), "ota-property-files"),
        lambda: b"payload.bin:1:2,metadata:3:4   ",
    ),
    "header": (decode_header, lambda: GOOD.payload.data[:24]),
    "manifest": (_check_manifest, lambda: GOOD.payload.data[24 : GOOD.payload.metadata_size]),
    "payload": (_load_payload, lambda: GOOD.payload.data),
    "signatures": (
        lambda raw: decode_signatures(raw, "signature"),
        lambda: GOOD.payload.data[-267:],
    ),
    "comment": (lambda raw: decode_comment(raw, 100_000), lambda: GOOD.comment),
    "transfer-list": (_check_list, lambda: bytes(GOOD.update.transfer_list, "ascii")),
    "ranges": (lambda raw: decode_ranges(raw.decode("latin-1")), lambda: b"4,0,5,7,9"),
    "signed-bytes": (
        lambda raw: verify_signatures(raw, bytes(32), CERTIFICATE, "it"),
        lambda: GOOD.payload.data[-267:],
    ),
    "cms": (
        lambda raw: verify_cms(raw, bytes(32), CERTIFICATE),
        lambda: GOOD.comment[len("signed by SignApk") + 1 : -6],
    ),
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
def test_decoders_raise_only_their_own_error(name: str, data: st.DataObject) -> None:
    """Random or damaged bytes give a value or an OtaError."""
    decode, good = DECODERS[name]
    raw = data.draw(st.one_of(st.binary(max_size=400), damaged(good())))
    with contextlib.suppress(OtaError):
        decode(raw)


@given(raw=st.binary(max_size=600))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_file_is_refused(raw: bytes, tmp_path: Path) -> None:
    """A file of random bytes is refused with an OtaError."""
    path = tmp_path / "noise.zip"
    path.write_bytes(raw)
    with pytest.raises(OtaError):
        inspect_ota(path)


@given(data=st.data())
@settings(max_examples=320, deadline=None, suppress_health_check=list(HealthCheck))
def test_damaged_packages(data: st.DataObject, tmp_path: Path) -> None:
    """A damaged package is refused, or its length and hash are those of its bytes."""
    path = tmp_path / "damaged.zip"
    name = data.draw(st.sampled_from(sorted(GOOD.packages)))
    raw = data.draw(damaged(GOOD.packages[name]))
    path.write_bytes(raw)
    with contextlib.suppress(OtaError):
        facts = inspect_ota(path)
        assert (facts.length, facts.sha256) == (len(raw), hashlib.sha256(raw).hexdigest())


@given(raw=st.binary(max_size=200), size=st.integers(0, 300), crc=st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_arbitrary_deflated_data(raw: bytes, size: int, crc: int) -> None:
    """Data that do not unpack to the stated size and checksum are refused."""
    stream = io.BytesIO(raw)
    entry = Entry("x", DEFLATED, 0, len(raw), size, crc)
    with contextlib.suppress(OtaError):
        data = load_entry(stream, entry, 300)
        assert (len(data), zlib.crc32(data)) == (size, crc)
