import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.engine.errors import EngineError, PackageError
from client_sim.engine.property_files import (
    FileRange,
    PayloadProperties,
    decode_payload_properties,
    decode_property_files,
)

PROPERTIES = {
    # The sha256 of nothing and of "abc", from FIPS 180-4's published examples.
    "FILE_HASH": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "FILE_SIZE": "1024",
    "METADATA_HASH": "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
    "METADATA_SIZE": "281",
}


def test_property_files_in_any_order_with_padding():
    """The parts come in any order, and the string is padded with spaces as AOSP pads it."""
    text = "metadata:69:379,payload.bin:679:343,payload_metadata.bin:679:100      "
    assert decode_property_files(text) == {
        "metadata": FileRange(69, 379),
        "payload.bin": FileRange(679, 343),
        "payload_metadata.bin": FileRange(679, 100),
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a:1",
        "a:1:2:3",
        "a:1:2,",
        ",a:1:2",
        " a:1:2",
        "a:1:2 ,b:1:2",
        "a:-1:2",
        "a:+1:2",
        "a:01:2",
        "a:1_0:2",
        "a:\u0661:2",
        "a:1:2\n",
        "a:1:",
        ":1:2",
        "a/b:1:2",
        "a:1:2,a:3:4",
        "a:10000000000000000:2",
        "a:1:2" + " " * 4096,
    ],
)
def test_property_files_in_another_form_are_refused(text):
    """There is one form: no signs, leading zeros, empty or repeated names, paths, long text."""
    with pytest.raises(PackageError):
        decode_property_files(text)


def test_payload_properties():
    """The four values are read; keys that steer other updaters are left alone."""
    decoded = decode_payload_properties({**PROPERTIES, "SWITCH_SLOT_ON_REBOOT": "0"})
    assert decoded == PayloadProperties(
        bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        1024,
        bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        281,
    )


@pytest.mark.parametrize("key", PROPERTIES)
@pytest.mark.parametrize(
    "value",
    [None, "", "x", "-1", "01", "1e3", " 1", "1\n", "٣", "1" * 17, "é" * 44,
     PROPERTIES["FILE_HASH"][:-1], PROPERTIES["FILE_HASH"] + "\n", "A" * 10_000,
     PROPERTIES["FILE_HASH"].replace("FU=", "FV="), base64.b64encode(bytes(31)).decode()],
)  # fmt: skip
def test_payload_properties_in_another_form_are_refused(key, value):
    """Each value has one form: decimal without leading zeros, or canonical base64 of 32 bytes."""
    changed = {name: text for name, text in PROPERTIES.items() if name != key}
    if value is not None:
        changed[key] = value
    with pytest.raises(PackageError, match=key):
        decode_payload_properties(changed)


@given(st.text(max_size=60), st.text(max_size=60))
def test_arbitrary_text_gives_only_engine_errors(text, value):
    """Nothing but EngineError comes out of any text."""
    try:
        decode_property_files(text)
    except EngineError:
        pass
    else:
        assert text.count(":") == 2 * (text.count(",") + 1)
    with pytest.raises(EngineError):
        decode_payload_properties({**PROPERTIES, "FILE_HASH": value})
