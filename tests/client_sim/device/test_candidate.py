import hashlib
import zipfile

import msgspec
import pytest

from client_sim.device import candidate
from client_sim.device.candidate import (
    MAX_REFUSAL,
    METADATA,
    Proof,
    encode_proof,
    read_pairs,
    read_text,
    shorten,
)
from client_sim.device.errors import InstallError, StorageError
from client_sim.engine.manifest_checks import Rules
from fixtures.zip_writer import Member, write_zip
from tests.cases import case
from tests.client_sim.device.formats_page import json_vector


@pytest.fixture
def package(tmp_path):
    """Write a zip with a text and a thousand other names."""
    path = tmp_path / "package.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(METADATA, "a=1\nb=2=3\nno pair\n")
        for number in range(1000):
            archive.writestr(f"{number:080}", b"")
    return path


def test_entries_are_read_as_pairs(package, tmp_path):
    """Lines without `=` are skipped, and at most one byte more than the limit is read.

    A missing entry is an install error, a missing file a storage error.
    """
    assert read_pairs(package, METADATA) == {"a": "1", "b": "2=3"}
    with zipfile.ZipFile(package, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("long", bytes(10_000_000))
    assert len(read_text(package, "long")) == 64 * 1024 + 1
    with pytest.raises(InstallError, match="readable other"):
        read_text(package, "other")
    with pytest.raises(StorageError, match=r"none\.zip cannot be read"):
        read_text(tmp_path / "none.zip", METADATA)


def test_a_long_directory_is_not_read(package, monkeypatch):
    """A long central directory is refused: parsed, it takes many times its size in memory."""
    monkeypatch.setattr(candidate, "MAX_DIRECTORY_BYTES", 100_000)
    with pytest.raises(InstallError, match=r"package\.zip is not an OTA package with a readable"):
        read_text(package, METADATA)


def test_other_compression_methods_are_refused(package):
    """Corrupt data of those methods can look like a disk error, so none is unpacked."""
    data = package.read_bytes()
    at = data.index(b"PK\x01\x02") + 10
    for method in (9, 12, 14, 93):
        package.write_bytes(data[:at] + method.to_bytes(2, "little") + data[at + 2 :])
        with pytest.raises(InstallError, match="readable META-INF"):
            read_text(package, METADATA)


def test_entry_offset_beyond_the_file(tmp_path):
    """An offset beyond the end is the package's error, not the disk's."""
    member = write_zip([Member(METADATA, b"a=1\n")], zip64=True)
    at = member.rindex(METADATA.encode()) + len(METADATA) + 4 + 16
    path = tmp_path / "package.zip"
    for offset in (1 << 31, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1):
        path.write_bytes(member[:at] + offset.to_bytes(8, "little") + member[at + 8 :])
        with case(offset), pytest.raises(InstallError, match="readable META-INF"):
            read_text(path, METADATA)


def test_formats_vector_of_a_proof():
    """The report of FORMATS section 14 decodes and encodes to the same bytes."""
    data, digest = json_vector(14)
    assert hashlib.sha256(data).hexdigest() == digest
    proof = msgspec.json.decode(data, type=Proof)
    assert encode_proof(proof) == data
    assert (proof.ways, set(proof.rules)) == (("stream", "whole"), set(Rules))


def test_a_refusal_is_one_printable_line():
    """A refusal has no control characters and at most 300 characters."""
    for sentence, printed in (
        ("It is.", "It is."),
        ("a\nb\x1b[2J", "a?b?[2J"),
        ("é" * 301, "é" * 299 + "…"),
    ):
        with case(sentence, printed):
            assert shorten(sentence, MAX_REFUSAL) == printed
