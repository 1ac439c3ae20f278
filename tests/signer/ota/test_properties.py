from itertools import product

import pytest

from fixtures.zip_writer import DEFLATED
from signer.ota.container import STORED, Container, Entry
from signer.ota.errors import PropertiesError
from signer.ota.metadata import METADATA
from signer.ota.properties import (
    check_property_files,
    decode_payload_properties,
    decode_property_files,
)
from tests.cases import case

# The sha256 of nothing, in base64.
EMPTY = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
LINES = f"FILE_HASH={EMPTY}\nFILE_SIZE=12\nMETADATA_HASH={EMPTY}\nMETADATA_SIZE=5\n"
KEY = "ota-property-files"
REST = "payload_properties.txt:200:10,metadata:40:20"


def _container() -> Container:
    entries = {
        "payload.bin": Entry("payload.bin", STORED, 100, 50, 50, 0),
        "payload_properties.txt": Entry("payload_properties.txt", STORED, 200, 10, 10, 0),
        METADATA: Entry(METADATA, STORED, 40, 20, 20, 0),
        "care_map.pb": Entry("care_map.pb", DEFLATED, 300, 5, 9, 0),
    }
    return Container(entries, 1000, b"")


def _check(value: str, more: tuple[str, ...] = ()) -> None:
    container = _container()
    for number, name in enumerate(more):
        container.entries[name] = Entry(name, STORED, 400 + 100 * number, 20, 20, 0)
    check_property_files(decode_property_files(value, KEY), KEY, container, 30)


def test_malformed_property_files() -> None:
    """Each token has three parts; numbers have no sign and no leading zero."""
    for value in (
        "",
        " ",
        "a",
        "a:1",
        "a:1:2:3",
        "a:1:2,",
        "a:-1:2",
        "a:01:2",
        "a:1:2 ,b:1:2",
        "a/b:1:2",
    ):
        with case(value), pytest.raises(PropertiesError, match="not name:offset:size"):
            decode_property_files(value, KEY)


def test_property_files_name_one_entry() -> None:
    """A name stands for one entry; `metadata` is that of META-INF, later names are suffixes."""
    good = {
        "payload.bin": "payload.bin:100:50",
        "payload_properties.txt": "payload_properties.txt:200:10",
        "metadata": "metadata:40:20",
    }
    for folder, name in product(("x/", "META-INF/"), ("payload.bin", "payload_properties.txt")):
        _check(",".join(good.values()), (folder + name,))
        with pytest.raises(PropertiesError, match=f"says {name} is 20 bytes at 400, but it is"):
            _check(",".join((good | {name: f"{name}:400:20"}).values()), (folder + name,))
    true = "payload.bin:100:50,payload_properties.txt:200:10,metadata:40:20"
    _check(true, ("apex/metadata",))
    with pytest.raises(PropertiesError, match="says metadata is 20 bytes at 400"):
        _check(true.replace("40:20", "400:20"), ("apex/metadata",))
    value = f"payload.bin:100:50,{REST},new_map.pb:400:20"
    _check(value, ("META-INF/new_map.pb",))
    with pytest.raises(
        PropertiesError, match=r"names new_map\.pb, which is the last part of several"
    ):
        _check(value, ("META-INF/new_map.pb", "other/new_map.pb"))
    with pytest.raises(PropertiesError, match=r"names new_map\.pb, which is not stored"):
        _check(value, ("other_new_map.pb",))


def test_malformed_payload_properties() -> None:
    """Each value has one form and each key occurs once; unknown keys are listed."""
    for old, new, fault in (
        ("FILE_SIZE=12", "FILE_SIZE=012", "FILE_SIZE in payload_properties.txt is not a size"),
        ("FILE_SIZE=12", "FILE_SIZE=12\nFILE_SIZE=12", "has FILE_SIZE twice"),
        ("METADATA_SIZE=5", "METADATA_SIZE=0", "not a size"),
        (f"FILE_HASH={EMPTY}", "FILE_HASH=47DE", "not a SHA-256 in base64"),
        (f"FILE_HASH={EMPTY}", "FILE_HASH=*", "not base64"),
        (f"FILE_HASH={EMPTY}", f"FILE_HASH={EMPTY[:-2]}V=", "not a SHA-256 in base64"),
        ("FILE_SIZE=12", "FILE SIZE=12", "not KEY=value"),
        ("FILE_SIZE=12", "FILE_SIZE=12\r", "not KEY=value"),
    ):
        with case(new), pytest.raises(PropertiesError, match=fault):
            decode_payload_properties(LINES.replace(old, new, 1).encode())
    raw = f"{LINES}ZEAL=1\nDIAL_HOME=1\nDOWNLOAD_RETRY=2\n".encode()
    assert decode_payload_properties(raw).unknown == ("property-DIAL_HOME", "property-ZEAL")
    with pytest.raises(PropertiesError, match="larger than 16 KiB"):
        decode_payload_properties(b"A" * 16_385)
