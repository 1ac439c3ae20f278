import io
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.engine.errors import EngineError, PackageError
from client_sim.engine.zip_entry import check_stored_entry

DATA = b"CrAU and what follows"


def _zip(name="payload.bin", extra=b"", method=zipfile.ZIP_STORED) -> tuple[bytes, int]:
    """Write a zip with Python's own writer; return it and where the entry's data starts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("first.txt", b"first")
        info = zipfile.ZipInfo(name)
        info.extra = extra
        info.compress_type = method
        archive.writestr(info, DATA)
        header = info.header_offset
    return out.getvalue(), header + 30 + len(name) + len(extra)


def _check(data: bytes, offset: int, size: int = len(DATA), name: str = "payload.bin") -> None:
    check_stored_entry(io.BytesIO(data), name, offset, size)


@pytest.mark.parametrize("length", [0, 1, 36, 4096, 8188])
def test_stored_entries_are_found(length):
    """An entry is found from its data's offset, with extra fields up to two pages."""
    extra = struct.pack("<HH", 0xD935, length) + bytes(length) if length else b""
    _check(*_zip(extra=extra))


def test_entries_with_zip64_sizes_are_found():
    """Sizes above 4 GiB stand in an extra field, and are read there."""
    name = b"payload.bin"
    size = 5 << 30
    extra = struct.pack("<HH2x", 0xD935, 2) + struct.pack("<HHQQ", 1, 16, size, size)
    header = struct.pack(
        "<4s5H3I2H", b"PK\3\4", 45, 0, 0, 0, 0, 0, 2**32 - 1, 2**32 - 1, len(name), len(extra)
    )
    data = header + name + extra
    _check(data, len(data), size)
    for bad in (size - 1, 2**32 - 1):
        with pytest.raises(PackageError):
            _check(data, len(data), bad)
    without = header[:-2] + b"\0\0" + name
    with pytest.raises(PackageError):
        _check(without, len(without), 2**32 - 1)


@pytest.mark.parametrize("shift", [-1, 1, -30, 5])
def test_a_lying_offset_is_refused(shift):
    """An offset beside the entry's data is refused."""
    data, offset = _zip()
    with pytest.raises(PackageError, match=r"does not hold payload\.bin where it says"):
        _check(data, offset + shift)


@pytest.mark.parametrize("size", [0, len(DATA) - 1, len(DATA) + 1])
def test_a_lying_size_is_refused(size):
    """A size other than the whole entry's is refused."""
    with pytest.raises(PackageError):
        _check(*_zip(), size)


@pytest.mark.parametrize("name", ["payload.bin2", "xpayload.bin", "payload.bim"])
def test_another_entry_is_refused(name):
    """The entry must have exactly the name that is asked for."""
    with pytest.raises(PackageError):
        _check(*_zip(name))


def test_a_compressed_entry_is_refused():
    """A deflated entry is refused, although its name and place are right."""
    data, offset = _zip(method=zipfile.ZIP_DEFLATED)
    size = struct.unpack_from("<I", data, offset - 30 - 11 + 18)[0]
    with pytest.raises(PackageError):
        _check(data, offset, size)


@pytest.mark.parametrize("flag", [0x0001, 0x0008])
def test_encrypted_entries_and_sizes_that_follow_are_refused(flag):
    """Entries that are encrypted or state their sizes behind the data cannot be streamed."""
    data, offset = _zip()
    changed = bytearray(data)
    changed[offset - 30 - 11 + 6] |= flag
    with pytest.raises(PackageError):
        _check(bytes(changed), offset)


@given(st.binary(max_size=200), st.integers(0, 250))
def test_arbitrary_bytes_are_refused(data, offset):
    """No bytes without a true header are taken for an entry."""
    with pytest.raises(EngineError):
        _check(data, offset)
