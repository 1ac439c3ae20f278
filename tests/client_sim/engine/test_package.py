import base64
import io
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.engine.errors import EngineError, PackageError
from client_sim.engine.package import check_stored_entry, load_verified_payload
from tests.cases import case
from tests.client_sim.engine.images import noise
from tests.client_sim.engine.ota_zip import Zip
from tests.client_sim.engine.payload_builder import build_payload, full_part


@pytest.fixture
def package(key):
    """Make a good package with a full payload."""
    return Zip(build_payload([full_part("system", noise(1, 2))], key=key))


def _refuse(package, words):
    with pytest.raises(PackageError, match=words):
        package.open()


def test_a_good_package_is_opened_and_verified(package, key):
    """AOSP's streaming string may omit payload_metadata.bin."""
    for _ in range(2):
        opened = package.open()
        assert opened.metadata.pre_devices == ("armani",)
        assert opened.payload_file.read(0, 4) == b"CrAU"
        payload = load_verified_payload(opened, key.public_key())
        assert [partition.name for partition in payload.manifest.partitions] == ["system"]
        package.ranges.pop("payload_metadata.bin", None)


def test_missing_and_moved_parts_are_refused(package):
    """The three parts that an update needs must be where the string says."""
    for name in ("payload.bin", "payload_properties.txt", "metadata"):
        start, size = package.ranges.pop(name)
        with case(name):
            _refuse(package, f"does not name {name}")
            package.ranges[name] = (start + 1, size)
            _refuse(package, "where it says|does not lie at the start")
        package.ranges[name] = (start, size)


def test_parts_beyond_the_end_are_refused(package):
    """Any part that reaches beyond the end of the file is refused."""
    package.ranges["care_map.pb"] = (len(package.data) - 1, 2)
    _refuse(package, r"ends before its part care_map\.pb does")
    package.ranges["care_map.pb"] = (len(package.data) - 1, 1)
    package.open()


def test_payload_metadata_is_the_start_of_the_payload(package, key):
    """payload_metadata.bin is exactly header, manifest and metadata signature."""
    start, size = package.ranges["payload_metadata.bin"]
    package.data += bytes(10**6)
    for at, length in ((start + 1, size), (start, size + 10**6)):
        package.ranges["payload_metadata.bin"] = (at, length)
        _refuse(package, "start of the payload")
    for change in (-1, 1, -267):
        package.ranges["payload_metadata.bin"] = (start, size + change)
        with case(change), pytest.raises(PackageError, match=r"payload_metadata\.bin"):
            load_verified_payload(package.open(), key.public_key())


def test_properties_other_than_the_signed_ones_are_refused(package):
    """The properties in the package must be those of the release."""
    signed = package.properties
    zeros = base64.b64encode(bytes(32)).decode()
    for name, value, words in (
        ("FILE_SIZE", "5", "size is not the one"),
        ("METADATA_SIZE", "5", "not what the release states"),
        ("FILE_HASH", zeros, "not what the release states"),
        ("METADATA_HASH", zeros, "not what the release states"),
    ):
        package.properties = {**signed, name: value}
        with case(name):
            _refuse(package, words)


def test_malformed_properties_in_the_package_are_refused(key):
    """A payload_properties.txt that cannot be read is refused."""
    for text, words in (
        (b"", "FILE_HASH is not"),
        (b"\xff", "is not text"),
        (b"x" * (16 * 1024 + 1), "too long"),
    ):
        with case(text, words):
            payload = build_payload([full_part("system", noise(1, 2))], key=key)
            _refuse(Zip(payload, **{"payload_properties.txt": text}), words)


def test_same_wrong_properties_in_release_and_package(key):
    """If both have the same wrong hash or size, the payload does not match."""
    payload = build_payload([full_part("system", noise(1, 2))], key=key)
    for name in ("FILE_HASH", "METADATA_HASH", "METADATA_SIZE"):
        wrong = "25" if name == "METADATA_SIZE" else base64.b64encode(bytes(32)).decode()
        values = {**Zip(payload).properties, name: wrong}
        text = "".join(f"{key}={value}\n" for key, value in values.items()).encode()
        package = Zip(payload, **{"payload_properties.txt": text})
        package.properties = values
        with case(name), pytest.raises(PackageError, match=name):
            load_verified_payload(package.open(), key.public_key())


@given(st.binary(max_size=400), st.binary(max_size=100))
def test_arbitrary_files_give_only_engine_errors(data, tail):
    """Arbitrary files raise only `EngineError`."""
    package = Zip(b"CrAU" + bytes(20) + tail)
    package.data = data
    with pytest.raises(EngineError):
        package.open()


DATA = b"CrAU and what follows"


def _zip(name="payload.bin", extra=b"") -> tuple[bytes, int]:
    """Write a zip with Python's own writer; return it and where the entry's data starts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("first.txt", b"first")
        info = zipfile.ZipInfo(name)
        info.extra = extra
        archive.writestr(info, DATA)
        header = info.header_offset
    return out.getvalue(), header + 30 + len(name) + len(extra)


def _check(data: bytes, offset: int, size: int = len(DATA), name: str = "payload.bin") -> None:
    check_stored_entry(io.BytesIO(data), name, offset, size)


def test_stored_entries_are_found():
    """An entry is found from its data's offset, with extra fields up to two pages."""
    for length in (0, 1, 36, 4096, 8188):
        with case(length):
            extra = struct.pack("<HH", 0xD935, length) + bytes(length) if length else b""
            _check(*_zip(extra=extra))


def test_entries_with_zip64_sizes_are_found():
    """Sizes above 4 GiB are read from the extra field."""
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


def test_wrong_entries_are_refused():
    """Another offset, size, name or method, and sizes after the data, are refused."""
    data, offset = _zip()
    for shift in (-1, 1, -30, 5):
        with case(shift), pytest.raises(PackageError, match=r"does not hold payload\.bin where"):
            _check(data, offset + shift)
    for size in (0, len(DATA) - 1, len(DATA) + 1):
        with case(size), pytest.raises(PackageError):
            _check(data, offset, size)
    for name in ("payload.bin2", "xpayload.bin", "payload.bim"):
        with case(name), pytest.raises(PackageError):
            _check(*_zip(name))
    for place in (6, 8):  # a flag, and deflate
        changed = bytearray(data)
        changed[offset - 30 - 11 + place] |= 0x0008
        with case(place), pytest.raises(PackageError):
            _check(bytes(changed), offset)


@given(st.binary(max_size=200), st.integers(0, 250))
def test_arbitrary_bytes_are_refused(data, offset):
    """Bytes without a valid header are not an entry."""
    with pytest.raises(EngineError):
        _check(data, offset)
