import base64
import io
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.engine.errors import EngineError, PackageError, SignatureError, UnsupportedError
from client_sim.engine.package import check_stored_entry, load_verified_payload
from client_sim.engine.signatures import load_certificate_key
from tests.client_sim.engine.images import delta_part, noise
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
    """Payload and metadata of a good package are found where the strings say."""
    opened = package.open()
    assert opened.metadata.pre_devices == ("armani",)
    assert opened.payload_file.read(0, 4) == b"CrAU"
    payload = load_verified_payload(opened, key.public_key())
    assert [partition.name for partition in payload.manifest.partitions] == ["system"]


def test_the_streaming_string_without_payload_metadata_is_enough(package, key):
    """AOSP's streaming string does not list payload_metadata.bin; the package still opens."""
    del package.ranges["payload_metadata.bin"]
    load_verified_payload(package.open(), key.public_key())


@pytest.mark.parametrize("name", ["payload.bin", "payload_properties.txt", "metadata"])
def test_a_part_that_is_not_listed_is_missed(package, name):
    """The three parts that an update needs must be listed."""
    del package.ranges[name]
    _refuse(package, f"does not name {name}")


@pytest.mark.parametrize("name", ["payload.bin", "payload_properties.txt", "metadata"])
def test_lying_offsets_are_refused(package, name):
    """A part that does not start where the string says is refused."""
    start, size = package.ranges[name]
    package.ranges[name] = (start + 1, size)
    _refuse(package, "where it says|does not lie at the start")


def test_parts_beyond_the_end_are_refused(package):
    """A part that reaches beyond the end of the file is refused, whatever it is."""
    package.ranges["care_map.pb"] = (len(package.data) - 1, 2)
    _refuse(package, r"ends before its part care_map\.pb does")
    package.ranges["care_map.pb"] = (len(package.data) - 1, 1)
    package.open()


@pytest.mark.parametrize("change", [(1, 0), (0, 10**6)])
def test_payload_metadata_lies_at_the_start_of_the_payload(package, change):
    """payload_metadata.bin is the start of payload.bin, by definition."""
    start, size = package.ranges["payload_metadata.bin"]
    package.ranges["payload_metadata.bin"] = (start + change[0], size + change[1])
    package.data += bytes(10**6)
    _refuse(package, "start of the payload")


@pytest.mark.parametrize("change", [-1, 1, -267])
def test_payload_metadata_is_as_long_as_header_manifest_and_signature(package, key, change):
    """Its length includes the metadata signature, exactly."""
    start, size = package.ranges["payload_metadata.bin"]
    package.ranges["payload_metadata.bin"] = (start, size + change)
    with pytest.raises(PackageError, match=r"payload_metadata\.bin"):
        load_verified_payload(package.open(), key.public_key())


def test_a_compressed_payload_is_refused(key):
    """A zip whose payload is deflated cannot be streamed."""
    package = Zip(build_payload([full_part("system", noise(1, 2))], key=key))
    at = package.ranges["payload.bin"][0] - 30 - len("payload.bin") + 8
    package.data = package.data[:at] + b"\x08" + package.data[at + 1 :]
    _refuse(package, "not uncompressed")


@pytest.mark.parametrize(
    ("key_name", "value", "words"),
    [
        ("FILE_SIZE", "5", "size is not the one"),
        ("METADATA_SIZE", "5", "not what the release states"),
        ("FILE_HASH", base64.b64encode(bytes(32)).decode(), "not what the release states"),
        ("METADATA_HASH", base64.b64encode(bytes(32)).decode(), "not what the release states"),
    ],
)
def test_properties_other_than_the_signed_ones_are_refused(package, key_name, value, words):
    """The properties in the package must be those of the release."""
    package.properties[key_name] = value
    _refuse(package, words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "FILE_HASH is not"),
        (b"\xff", "is not text"),
        (b"x" * (16 * 1024 + 1), "too long"),
    ],
)
def test_malformed_properties_in_the_package_are_refused(key, text, words):
    """A payload_properties.txt that cannot be read is refused."""
    payload = build_payload([full_part("system", noise(1, 2))], key=key)
    _refuse(Zip(payload, **{"payload_properties.txt": text}), words)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("FILE_HASH", "FILE_HASH"),
        ("METADATA_HASH", "METADATA_HASH"),
        ("METADATA_SIZE", "METADATA_SIZE"),
    ],
)
def test_a_release_and_a_package_that_lie_alike_are_refused(key, name, words):
    """If both name the same wrong hash or size, the payload itself shows it."""
    payload = build_payload([full_part("system", noise(1, 2))], key=key)
    wrong = "25" if name == "METADATA_SIZE" else base64.b64encode(bytes(32)).decode()
    values = {**Zip(payload).properties, name: wrong}
    text = "".join(f"{key}={value}\n" for key, value in values.items()).encode()
    package = Zip(payload, **{"payload_properties.txt": text})
    package.properties = values
    with pytest.raises(PackageError, match=words):
        load_verified_payload(package.open(), key.public_key())


def test_a_package_with_another_signature_is_refused(package, certificate):
    """A whole, consistent package that another key signed is refused."""
    other = (Path(__file__).parents[3] / "fixtures/keys/FIXTURE-ONLY-ota.cert.pem").read_bytes()
    load_verified_payload(package.open(), load_certificate_key(certificate))
    with pytest.raises(SignatureError):
        load_verified_payload(package.open(), load_certificate_key(other))


def test_a_signed_payload_that_cannot_be_done_is_refused(key):
    """The signature does not help a payload with a minor version that phones do not know."""
    package = Zip(build_payload([delta_part()], minor=10, key=key))
    with pytest.raises(UnsupportedError, match="minor version 10"):
        load_verified_payload(package.open(), key.public_key())


def test_every_flipped_byte_of_the_payload_is_refused(package, key):
    """Any byte of payload.bin, framing of signatures included, is covered."""
    start, size = package.ranges["payload.bin"]
    public = key.public_key()
    good = bytearray(package.data)
    for at in [*range(start, start + package.head), *range(start + package.head, start + size, 97)]:
        good[at] ^= 0x80
        package.data = bytes(good)
        with pytest.raises(EngineError):
            load_verified_payload(package.open(), public)
        good[at] ^= 0x80


@given(st.binary(max_size=400), st.binary(max_size=100))
def test_arbitrary_files_give_only_engine_errors(data, tail):
    """Nothing but EngineError comes out of any file, whatever the strings promise."""
    package = Zip(b"CrAU" + bytes(20) + tail)
    package.data = data
    with pytest.raises(EngineError):
        package.open()


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
