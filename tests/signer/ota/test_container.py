"""Zip files made by other programs are read, and only plain ones."""

import io
import struct
import zipfile

import pytest

from fixtures.zip_writer import DEFLATED, Member, write_zip
from signer.ota import container as module
from signer.ota.container import Container, load_container, load_entry
from signer.ota.errors import ContainerError

CONTENT = {"payload.bin": bytes(range(256)) * 40, "META-INF/note.txt": b"quiet, clear\n" * 50}


def _load(raw: bytes) -> Container:
    return load_container(io.BytesIO(raw), len(raw))


def _assert_content(raw: bytes) -> None:
    found = _load(raw)
    assert set(found.entries) == set(CONTENT)
    for name, data in CONTENT.items():
        assert load_entry(io.BytesIO(raw), found.entries[name], 1 << 20) == data


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_of_zipfile(method: int) -> None:
    """What Python's zipfile writes is read back, stored and deflated."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in CONTENT.items():
            archive.writestr(name, data)
    _assert_content(out.getvalue())


def test_files_with_zip64_headers() -> None:
    """Entries whose local header reserves 64-bit sizes, as for payloads beyond 4 GiB."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in CONTENT.items():
            with archive.open(name, "w", force_zip64=True) as entry:
                entry.write(data)
    _assert_content(out.getvalue())


def test_streamed_files() -> None:
    """Deflated entries that give their sizes only behind their data, as Java writes them."""

    class Pipe(io.RawIOBase):
        """A stream that cannot seek."""

        def __init__(self) -> None:
            self.written = b""

        def writable(self) -> bool:
            """Return that it can be written."""
            return True

        def write(self, data: bytes) -> int:
            """Take the next bytes."""
            self.written += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in CONTENT.items():
            archive.writestr(name, data)
    assert b"PK\x07\x08" in pipe.written
    _assert_content(pipe.written)


def test_comment_is_kept() -> None:
    """The zip comment, where the whole-file signature is, comes back as it stands."""
    raw = write_zip([Member("a", b"b")], b"comment")
    assert _load(raw).comment == b"comment"
    assert _load(raw).length == len(raw)


def test_zip64_end_record() -> None:
    """A zip whose end record points to a zip64 one is read through it."""
    plain = write_zip([Member(name, data) for name, data in CONTENT.items()])
    end = plain[-22:]
    count, size, offset = struct.unpack("<H2L", end[10:20])
    wide = struct.pack(
        "<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, offset
    ) + struct.pack("<4sLQL", b"PK\x06\x07", 0, len(plain) - 22, 1)
    narrow = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, size, 0xFFFFFFFF, 0)
    _assert_content(plain[:-22] + wide + narrow)
    with pytest.raises(ContainerError, match="no locator"):
        _load(plain[:-22] + narrow)
    with pytest.raises(ContainerError, match="not where its locator must point"):
        _load(plain[:-22] + wide[:56] + wide[56:64] + bytes(8) + wide[72:] + narrow)


def test_a_missing_entry_is_named() -> None:
    """Asking for an entry that is not there says which."""
    with pytest.raises(ContainerError, match=r"The package has no payload\.bin\."):
        _load(write_zip([])).entry("payload.bin")


def test_entries_have_a_limit() -> None:
    """An entry longer than the caller takes is not read at all."""
    raw = write_zip([Member("a", bytes(100))])
    with pytest.raises(ContainerError, match="a is 100 bytes long; at most 99 are taken"):
        load_entry(io.BytesIO(raw), _load(raw).entries["a"], 99)


def test_damaged_entries_are_refused() -> None:
    """A stored entry whose bytes changed does not match its checksum."""
    raw = bytearray(write_zip([Member("a", b"quiet")]))
    raw[31] ^= 1
    with pytest.raises(ContainerError, match="do not match the zip's size and checksum"):
        load_entry(io.BytesIO(raw), _load(bytes(raw)).entries["a"], 99)


def test_stored_entries_have_one_size() -> None:
    """A stored entry cannot be larger unpacked than packed."""
    with pytest.raises(ContainerError, match="two different sizes"):
        _load(write_zip([Member("a", b"quiet", claimed_size=6)]))


def test_files_that_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cap on the whole file is checked before anything is read."""
    monkeypatch.setattr(module, "MAX_PACKAGE", 0)
    with pytest.raises(ContainerError, match="larger than"):
        load_container(io.BytesIO(), 1)


def test_directory_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cap on the directory is checked before it is read."""
    monkeypatch.setattr(module, "MAX_DIRECTORY", 10)
    with pytest.raises(ContainerError, match="central directory is larger"):
        _load(write_zip([Member("a", b"")]))


def test_entries_must_fill_the_file() -> None:
    """A zip behind other bytes, which many programs would read, is refused."""
    raw = write_zip([Member("a", b"quiet")])
    assert set(_load(raw).entries) == {"a"}
    with pytest.raises(ContainerError, match="not where its end record says"):
        _load(b"x" + raw)


def test_a_zip64_end_needs_room() -> None:
    """An end record that refers to a zip64 one and has nothing before it is refused."""
    raw = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0, 0, 0)
    with pytest.raises(ContainerError, match="no locator"):
        _load(raw)


def test_entries_that_claim_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry cannot unpack to more than the largest package."""
    raw = write_zip([Member("a", bytes(5000), DEFLATED)])
    monkeypatch.setattr(module, "MAX_PACKAGE", 4999)
    with pytest.raises(ContainerError, match="a claims to be 5000 bytes long"):
        _load(raw)
