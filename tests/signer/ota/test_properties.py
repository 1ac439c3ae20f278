import pytest

from fixtures.zip_writer import DEFLATED
from signer.ota.container import STORED, Container, Entry
from signer.ota.errors import PropertiesError
from signer.ota.properties import (
    Span,
    check_property_files,
    decode_payload_properties,
    decode_property_files,
)

# The sha256 of nothing, in base64.
EMPTY = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
LINES = f"FILE_HASH={EMPTY}\nFILE_SIZE=12\nMETADATA_HASH={EMPTY}\nMETADATA_SIZE=5\n"
KEY = "ota-property-files"


def _container() -> Container:
    entries = {
        "payload.bin": Entry("payload.bin", STORED, 100, 50, 50, 0),
        "payload_properties.txt": Entry("payload_properties.txt", STORED, 200, 10, 10, 0),
        "META-INF/com/android/metadata": Entry("m", STORED, 40, 20, 20, 0),
        "care_map.pb": Entry("care_map.pb", DEFLATED, 300, 5, 9, 0),
    }
    return Container(entries, 1000, b"")


def _check(value: str) -> None:
    check_property_files(decode_property_files(value, KEY), KEY, _container(), 30)


def test_property_files() -> None:
    """Tokens are name, offset and size; the padding behind them does not count."""
    assert decode_property_files("payload.bin:100:50,metadata:40:20     ", KEY) == {
        "payload.bin": Span(100, 50),
        "metadata": Span(40, 20),
    }


@pytest.mark.parametrize(
    "value",
    ["", " ", "a", "a:1", "a:1:2:3", "a:1:2,", "a:-1:2", "a:01:2", "a:1:2 ,b:1:2", "a/b:1:2"],
)
def test_property_files_that_are_malformed(value: str) -> None:
    """Every token has three parts, and numbers have no sign and no leading zero."""
    with pytest.raises(PropertiesError, match="not name:offset:size"):
        decode_property_files(value, KEY)


def test_true_property_files() -> None:
    """Spans equal to the stored entries pass, `payload_metadata.bin` by the payload's front."""
    _check("payload_metadata.bin:100:30,payload.bin:100:50,payload_properties.txt:200:10")


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("payload.bin:100:50", "does not name payload_properties.txt"),
        ("payload_properties.txt:200:10", "does not name payload.bin"),
        ("payload.bin:101:50,payload_properties.txt:200:10", "50 bytes at 101, but it is 50"),
        ("payload.bin:100:50,payload_properties.txt:200:11", "11 bytes at 200"),
        (
            "payload_metadata.bin:100:31,payload.bin:100:50,payload_properties.txt:200:10",
            "payload_metadata.bin is 31 bytes at 100, but it is 30 bytes at 100",
        ),
        (
            "payload.bin:100:50,payload_properties.txt:200:10,care_map.pb:300:5",
            "names care_map.pb, which is not stored",
        ),
    ],
)
def test_property_files_that_lie(value: str, fault: str) -> None:
    """An offset or size that is not the entry's is refused with both values."""
    with pytest.raises(PropertiesError, match=fault):
        _check(value)


def test_payload_properties() -> None:
    """Hashes are decoded, sizes are numbers, harmless steering is kept."""
    properties = decode_payload_properties((LINES + "SWITCH_SLOT_ON_REBOOT=0\n").encode())
    assert properties.file_hash.hex().startswith("e3b0c44298fc1c14")
    assert (properties.file_size, properties.metadata_size) == (12, 5)
    assert properties.values["SWITCH_SLOT_ON_REBOOT"] == "0"


@pytest.mark.parametrize("key", ["AUTHORIZATION", "USER_AGENT", "NETWORK_ID", "NETWORK_PROXY"])
def test_properties_that_reveal(key: str) -> None:
    """What would make a phone say something about itself is never published."""
    with pytest.raises(PropertiesError, match=f"has {key}, which would say something"):
        decode_payload_properties(f"{LINES}{key}=x\n".encode())


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("FILE_SIZE=12", "FILE_SIZE=012", "FILE_SIZE in payload_properties.txt is not a size"),
        ("FILE_SIZE=12", "FILE_SIZE=12\nFILE_SIZE=12", "has FILE_SIZE twice"),
        ("METADATA_SIZE=5\n", "", "lacks METADATA_SIZE"),
        ("METADATA_SIZE=5", "METADATA_SIZE=0", "not a size"),
        (f"FILE_HASH={EMPTY}", "FILE_HASH=47DE", "not a SHA-256 in base64"),
        (f"FILE_HASH={EMPTY}", "FILE_HASH=*", "not base64"),
        (f"FILE_HASH={EMPTY}", f"FILE_HASH={EMPTY[:-2]}V=", "not a SHA-256 in base64"),
        ("FILE_SIZE=12", "FILE SIZE=12", "not KEY=value"),
        ("FILE_SIZE=12", "FILE_SIZE=12\r", "not KEY=value"),
    ],
)
def test_properties_that_are_refused(old: str, new: str, fault: str) -> None:
    """Each value has one form, each key occurs once."""
    assert old in LINES
    with pytest.raises(PropertiesError, match=fault):
        decode_payload_properties(LINES.replace(old, new, 1).encode())


def test_unknown_properties_are_named() -> None:
    """A property of a newer format is kept apart; what steers an update is known."""
    raw = f"{LINES}ZEAL=1\nDIAL_HOME=1\nDOWNLOAD_RETRY=2\n".encode()
    assert decode_payload_properties(raw).unknown == ("property-DIAL_HOME", "property-ZEAL")


def test_large_properties_are_not_parsed() -> None:
    """More than 64 KiB is refused before anything looks at it."""
    with pytest.raises(PropertiesError, match="larger than 64 KiB"):
        decode_payload_properties(b"A" * 65537)
