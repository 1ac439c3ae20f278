"""Parts of a package that must agree; the hostile packages have the contradictions."""

import io
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.build import build_payload
from fixtures.catalogue import Package as Wanted
from fixtures.catalogue import find_build
from fixtures.ota_writer import METADATA, METADATA_PB, write_ota
from fixtures.repack import split_members, with_member
from fixtures.zip_writer import Member, write_zip
from signer.ota import package
from signer.ota.container import DEFLATED, STORED, Entry, load_container, load_envelope
from signer.ota.errors import MetadataError
from signer.ota.package import Package, UnpackedCrc, encode_unpacked, load_package

FULL = Wanted(find_build("armani", "id", 1))


def _load(raw: bytes, codename: str | None = None) -> Package:
    stream = io.BytesIO(raw)
    return load_package(stream, load_envelope(stream, load_container(stream, len(raw)), codename))


def _without_pb(change: Callable[[bytes], bytes]) -> bytes:
    """Return the package without metadata.pb, its text changed and padded to the same length."""
    members = split_members(write_ota(FULL, build_payload(FULL)))
    old = members[0].data
    text = change(_drop_pb(old))
    line = next(each for each in text.split(b"\n") if each.startswith(b"ota-property-files="))
    text = text.replace(line, line + b" " * (len(old) - len(text)))
    members = with_member(members, METADATA, text)
    # An unrelated entry replaces metadata.pb, so that no offset changes.
    size = next(len(each.data) for each in members if each.name == METADATA_PB)
    name = "x" * len(METADATA_PB)
    return write_zip(
        [Member(name, bytes(size)) if each.name == METADATA_PB else each for each in members]
    )


def _drop_pb(text: bytes) -> bytes:
    lines = []
    for line in text.split(b"\n"):
        head, _, _ = line.partition(b",metadata.pb:")
        lines.append(head)
    return b"\n".join(lines)


def test_package_without_protobuf_metadata() -> None:
    """Packages before Android 12 have only text."""
    envelope = _load(_without_pb(lambda text: text), "armani").envelope
    assert envelope.metadata.fingerprint == FULL.target.fingerprint
    assert envelope.signed_file is None
    assert not envelope.has_metadata_pb


def test_build_date_of_downgrade() -> None:
    """Text and payload must have the same build date, except in a downgrade."""
    moment = str(FULL.target.post_timestamp).encode()
    earlier = str(FULL.target.post_timestamp - 60).encode()

    def change(text: bytes) -> bytes:
        return text.replace(moment, earlier)

    with pytest.raises(MetadataError, match="disagree about the build date"):
        _load(_without_pb(change))
    raw = _without_pb(
        lambda text: change(text).replace(b"post-build=", b"ota-downgrade=yes\npost-build=")
    )
    assert _load(raw).envelope.metadata.downgrade


def _deflate(data: bytes) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflate.compress(data) + deflate.flush()


def _digest(entry: Entry, packed: bytes, piece: int) -> bytes:
    followed = UnpackedCrc(entry)
    for at in range(0, len(packed), piece):
        followed.update(memoryview(packed)[at : at + piece])
    return followed.digest()


@given(st.binary(max_size=3000), st.integers(1, 500), st.sampled_from([STORED, DEFLATED]))
def test_unpacked_size_and_checksum(data: bytes, piece: int, method: int) -> None:
    """The digest does not depend on the pieces."""
    packed = data if method == STORED else _deflate(data)
    entry = Entry("x", method, 0, len(packed), len(data), 0)
    assert _digest(entry, packed, piece) == encode_unpacked(len(data), zlib.crc32(data))


def test_unpacking_fails(monkeypatch) -> None:
    """Truncated, too long or invalid deflate data have no digest."""
    for packed, size in (
        (_deflate(b"quiet, clear")[:-1], 12),
        (_deflate(b"quiet, clear") + b"x", 12),
        (_deflate(b"quiet, clear"), 11),
        (_deflate(bytes(64 << 20)), 10),
        (b"\xff\xff\xff", 3),
        (b"", 0),
    ):
        for piece in (1, 1 << 20):
            assert _digest(Entry("x", DEFLATED, 0, len(packed), size, 0), packed, piece) == b""
    monkeypatch.setattr(package, "_PIECE", 100)
    data = bytes(50_000)
    packed = _deflate(data)
    entry = Entry("x", DEFLATED, 0, len(packed), len(data), 0)
    assert _digest(entry, packed, 7) == encode_unpacked(50_000, zlib.crc32(data))


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_arbitrary_bytes(raw: bytes) -> None:
    """Arbitrary bytes have a digest or none, and raise nothing."""
    assert len(_digest(Entry("x", DEFLATED, 0, len(raw), 1000, 0), raw, 50)) in {0, 12}
