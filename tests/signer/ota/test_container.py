"""Zip files of other programs are read if they use no unusual features."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from fixtures.zip_writer import DEFLATED, Member, write_zip, zip64_end
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
def test_zip_of_zipfile(method: int) -> None:
    """Stored and deflated entries written by Python's zipfile are read."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in CONTENT.items():
            archive.writestr(name, data)
    _assert_content(out.getvalue())


def test_streamed_zip() -> None:
    """Deflated entries whose sizes follow their data are read."""

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


def test_zip64_end_record() -> None:
    """A zip64 end record is found through its locator; a missing or wrong locator is refused."""
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
    raw = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0, 0, 0)
    with pytest.raises(ContainerError, match="no locator"):
        _load(raw)


def test_zip64_end_record_with_complete_end_record() -> None:
    """Python writes both between 2 and 4 GiB; they must agree."""
    plain = write_zip([Member(name, data) for name, data in CONTENT.items()])
    count, size, offset = struct.unpack("<H2L", plain[-12:-2])
    wide = zip64_end(count, size, offset)
    _assert_content(plain[:-22] + wide + plain[-22:])
    for change in (-11, -9, -5):
        end = bytearray(plain[-22:])
        end[change] ^= 1
        with pytest.raises(ContainerError, match=r"contradict each other|one part of several"):
            _load(plain[:-22] + wide + bytes(end))


def test_entries_beyond_4_gib(tmp_path: Path) -> None:
    """A sparse file of 5 GiB: one entry that long, and one that starts after it."""
    path, size, data = tmp_path / "big.zip", 5 << 30, b"quiet, clear"
    wide, crc = 0xFFFFFFFF, zlib.crc32(data)
    with path.open("wb") as stream:
        head = struct.pack("<4s5H3L2H", b"PK\3\4", 45, 0, 0, 0, 33, 0, wide, wide, 11, 20)
        stream.write(head + b"payload.bin" + struct.pack("<2H2Q", 1, 16, size, size))
        behind = stream.seek(size, 1)
        head = struct.pack("<4s5H3L2H", b"PK\3\4", 45, 0, 0, 0, 33, crc, 12, 12, 10, 0)
        stream.write(head + b"behind.txt" + data)
        where = stream.tell()
        numbers = (45, 45, 0, 0, 0, 33, 0, wide, wide, 11, 20, 0, 0, 0, 0, 0)
        stream.write(struct.pack("<4s6H3L5H2L", b"PK\1\2", *numbers) + b"payload.bin")
        stream.write(struct.pack("<2H2Q", 1, 16, size, size))
        numbers = (45, 45, 0, 0, 0, 33, crc, 12, 12, 10, 12, 0, 0, 0, 0, wide)
        stream.write(struct.pack("<4s6H3L5H2L", b"PK\1\2", *numbers) + b"behind.txt")
        stream.write(struct.pack("<2HQ", 1, 8, behind))
        length = stream.tell() - where
        stream.write(zip64_end(2, length, where))
        stream.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, length, wide, 0))
    with zipfile.ZipFile(path) as archive:  # the test's own zip is valid
        assert [each.file_size for each in archive.infolist()] == [size, 12]
        assert archive.read("behind.txt") == data
    with path.open("rb") as stream:
        found = load_container(stream, path.stat().st_size).entries
        assert (found["payload.bin"].offset, found["payload.bin"].size) == (61, size)
        assert found["behind.txt"].offset == 61 + size + 40
        assert load_entry(stream, found["behind.txt"], 100) == data


def _streamed(descriptor: bytes, *, size: int = 0, extra: bytes = b"") -> bytes:
    """Return a zip whose only entry has its sizes after its data.

    `size` and `extra` are those of the local header.
    """
    packed = zlib.compress(b"quiet, clear")[2:-4]
    crc = zlib.crc32(b"quiet, clear")
    numbers = (20, 8, 8, 0, 33, 0, size, size, 1, len(extra))
    out = struct.pack("<4s5H3L2H", b"PK\3\4", *numbers) + b"a" + extra + packed
    out += descriptor.replace(b"CRC.", struct.pack("<L", crc))
    numbers = (20, 20, 8, 8, 0, 33, crc, len(packed), 12, 1, 0, 0, 0, 0, 0, 0)
    directory = struct.pack("<4s6H3L5H2L", b"PK\1\2", *numbers) + b"a"
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(directory), len(out), 0)
    return out + directory + end


def test_data_descriptors() -> None:
    """A data descriptor needs its signature, sizes of 4 bytes and the directory's values."""
    size = len(zlib.compress(b"quiet, clear")) - 6
    wide, bare = struct.pack("<2Q", size, 12), struct.pack("<2L", size, 12)
    raw = _streamed(b"PK\7\x08CRC." + bare)
    assert load_entry(io.BytesIO(raw), _load(raw).entries["a"], 99) == b"quiet, clear"
    lies = (b"PK\7\x08CRC." + wide, b"CRC." + bare, b"PK\7\x08CRC." + bare[:4] + b"\r\0\0\0", b"")
    for lie in lies:
        with pytest.raises(ContainerError, match="a announces a data descriptor and has none"):
            _load(_streamed(lie))
    found = b"PK\7\x08CRC." + bare
    raw = _streamed(found, size=0xFFFFFFFF, extra=struct.pack("<2H2Q", 1, 16, 0, 0))
    with pytest.raises(ContainerError, match="directory and local header disagree about a"):
        _load(raw)


def test_entry_differs_from_its_headers() -> None:
    """An entry over the limit, or with other sizes, times or bytes, is refused."""
    raw = write_zip([Member("a", bytes(100))])
    with pytest.raises(ContainerError, match="a is 100 bytes long; at most 99 are allowed"):
        load_entry(io.BytesIO(raw), _load(raw).entries["a"], 99)
    raw = bytearray(write_zip([Member("a", b"quiet")]))
    raw[31] ^= 1
    with pytest.raises(ContainerError, match="do not match the zip's size and checksum"):
        load_entry(io.BytesIO(raw), _load(bytes(raw)).entries["a"], 99)
    with pytest.raises(ContainerError, match="two different sizes"):
        _load(write_zip([Member("a", b"quiet", claimed_size=6)]))
    for at in (10, 12):
        data = bytearray(write_zip([Member("a", b"x")]))
        data[at] ^= 1
        with pytest.raises(ContainerError, match="directory and local header disagree about a"):
            load_container(io.BytesIO(data), len(data))


def test_size_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole file, the directory and each unpacked entry are limited."""
    for cap, value, raw, fault in (
        ("MAX_PACKAGE", 0, b"x", "larger than"),
        ("MAX_DIRECTORY", 10, write_zip([Member("a", b"")]), "central directory is larger"),
        (
            "MAX_PACKAGE",
            4999,
            write_zip([Member("a", bytes(5000), DEFLATED)]),
            "a claims to be 5000 bytes long",
        ),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, cap, value)
            with pytest.raises(ContainerError, match=fault):
                _load(raw)
