"""What belongs together in a package; contradictions are covered by the hostile packages."""

import io
from collections.abc import Callable
from dataclasses import replace

import pytest

from fixtures.build import build_payload, minor_version, plan_partitions
from fixtures.catalogue import Package as Wanted
from fixtures.catalogue import find_build
from fixtures.ota_writer import METADATA, METADATA_PB, PROPERTIES, write_ota
from fixtures.payload_writer import encode_manifest, sign_payload
from fixtures.repack import split_members, with_member
from fixtures.zip_writer import Member, write_zip
from signer.ota.container import load_container
from signer.ota.errors import MetadataError, PropertiesError
from signer.ota.front import load_front
from signer.ota.package import Package, load_package

FULL = Wanted(find_build("armani", "id", 1))


def _load(raw: bytes, codename: str | None = None) -> Package:
    stream = io.BytesIO(raw)
    return load_package(stream, load_front(stream, load_container(stream, len(raw)), codename))


def _without_pb(change: Callable[[bytes], bytes]) -> bytes:
    """Return the package without metadata.pb, its text changed and padded to the same length."""
    members = split_members(write_ota(FULL, build_payload(FULL)))
    old = members[0].data
    text = change(_drop_pb(old))
    line = next(each for each in text.split(b"\n") if each.startswith(b"ota-property-files="))
    text = text.replace(line, line + b" " * (len(old) - len(text)))
    members = with_member(members, METADATA, text)
    # An unrelated entry takes the place of metadata.pb, so that every offset stays true.
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


def test_packages_without_protobuf_metadata() -> None:
    """Packages made before Android 12 have only the text."""
    front = _load(_without_pb(lambda text: text), "armani").front
    assert front.metadata.fingerprint == FULL.target.fingerprint
    assert front.signed_file is None
    assert not front.has_metadata_pb


def test_a_downgrade_may_carry_another_date() -> None:
    """In a downgrade the payload has the date of the old build, so that the device takes it."""
    moment = str(FULL.target.post_timestamp).encode()
    earlier = str(FULL.target.post_timestamp - 60).encode()

    def change(text: bytes) -> bytes:
        return text.replace(moment, earlier)

    with pytest.raises(MetadataError, match="disagree about the build date"):
        _load(_without_pb(change))
    raw = _without_pb(
        lambda text: change(text).replace(b"post-build=", b"ota-downgrade=yes\npost-build=")
    )
    assert _load(raw).front.metadata.downgrade


def test_the_patch_levels_must_agree() -> None:
    """The payload repeats the security patch level, if it has one."""
    manifest, blobs = encode_manifest(
        plan_partitions(FULL),
        minor_version=minor_version(FULL),
        max_timestamp=FULL.target.post_timestamp,
        security_patch_level="2026-01-05",
    )
    with pytest.raises(MetadataError, match="disagree about the security patch level"):
        _load(write_ota(FULL, sign_payload(manifest, blobs)))


def test_properties_are_read_after_the_payload() -> None:
    """A payload that is not the one of the properties is refused by what differs."""
    members = split_members(write_ota(FULL, build_payload(FULL)))
    other = build_payload(Wanted(find_build("armani", "eu", 1))).properties
    changed = [replace(each, data=other) if each.name == PROPERTIES else each for each in members]
    with pytest.raises(PropertiesError, match=r"(FILE_SIZE|METADATA_HASH|METADATA_SIZE) is"):
        _load(write_zip(changed))
