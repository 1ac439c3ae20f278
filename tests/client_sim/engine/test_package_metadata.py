import base64
import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.engine.errors import EngineError, PackageError
from client_sim.engine.package_metadata import (
    FileRange,
    PayloadProperties,
    check_package_facts,
    decode_metadata,
    decode_payload_properties,
    decode_property_files,
)
from client_sim.world import BuildFacts
from tests.cases import case

OLD = BuildFacts("Maker/armani/armani:14/A/1:user/release-keys", "1", 1, 1000, "2026-01-05")
NEW = BuildFacts("Maker/armani/armani:14/B/2:user/release-keys", "2", 2, 2000, "2026-03-05")

FULL = {
    "ota-type": "AB",
    "ota-required-cache": "0",
    "pre-device": "armani|cancro",
    "post-build": NEW.fingerprint,
    "post-build-incremental": "2",
    "post-sdk-level": "34",
    "post-timestamp": "2000",
    "post-security-patch-level": "2026-03-05",
}
INCREMENTAL = {**FULL, "pre-build": f"other|{OLD.fingerprint}", "pre-build-incremental": "0|1"}


def _encode(values) -> bytes:
    return "".join(f"{key}={value}\n" for key, value in sorted(values.items())).encode()


def _check(values, *, codename="armani", running=OLD, expected=NEW):
    metadata = decode_metadata(_encode(values))
    check_package_facts(metadata, codename=codename, running=running, expected=expected)


def test_metadata_is_read():
    """Lists are split at bars, and all other values are text."""
    metadata = decode_metadata(_encode(INCREMENTAL))
    assert metadata.pre_devices == ("armani", "cancro")
    assert metadata.pre_builds == ("other", OLD.fingerprint)
    assert metadata.pre_incrementals == ("0", "1")
    assert metadata.is_incremental
    assert metadata.values["post-sdk-level"] == "34"
    assert not decode_metadata(_encode(FULL)).is_incremental


def test_malformed_metadata_is_refused():
    """Beside the rules of FORMATS section 14: no key, other encodings, more than 64 KiB."""
    longest = b"a=" + b"1" * (64 * 1024 - 2)
    assert len(decode_metadata(longest).values["a"]) == 64 * 1024 - 2
    for data, words in (
        *((b"=value\n", "key=value"), (b"a=\xff\n", "UTF-8")),
        (longest + b"1", "too long"),
    ):
        with case(data, words), pytest.raises(PackageError, match=words):
            decode_metadata(data)


def test_package_for_this_phone():
    """It names the device and fits both builds, and no required value is missing."""
    for values in (FULL, INCREMENTAL):
        for codename in ("armani", "cancro"):
            _check(values, codename=codename)
    for codename in ("dior", "arman", "armani|cancro", ""):
        with pytest.raises(PackageError, match="another device"):
            _check(FULL, codename=codename)
    for key in ("ota-type", "pre-device", "post-build", "post-timestamp"):
        with pytest.raises(PackageError):
            _check({name: value for name, value in FULL.items() if name != key})


def test_metadata_that_does_not_fit_is_refused():
    """Each fact that differs from the signed release or the phone is refused by name."""
    for key, value, words in (
        ("pre-device", "", "another device"),
        ("post-build", OLD.fingerprint, "post-build is not"),
        ("post-build-incremental", "3", "post-build-incremental is not"),
        ("post-timestamp", "02000", "post-timestamp is not"),
        ("post-security-patch-level", "2026-04-05", "post-security-patch-level is not"),
        ("pre-build", "other", "does not start from the running build"),
        ("pre-build-incremental", "0", "does not start from the running build"),
        ("pre-build", "", "does not start from the running build"),
    ):
        with case(key, value, words), pytest.raises(PackageError, match=words):
            _check({**INCREMENTAL, key: value})


def test_older_builds_are_refused():
    """Build time and patch level must not fall; the same build may be installed again."""
    _check(FULL, running=NEW)
    with pytest.raises(PackageError, match="older than the running build"):
        _check(FULL, running=replace(NEW, post_timestamp=2001))
    with pytest.raises(PackageError, match="older security patch level"):
        _check(FULL, running=replace(NEW, security_patch_level="2026-04-05"))
    # A phone without a build has the time 0, which is not older than that.
    nothing, timeless = BuildFacts("", "", 0, 0, ""), replace(NEW, post_timestamp=0)
    with pytest.raises(PackageError, match="not a date after 1970"):
        _check({**FULL, "post-timestamp": "0"}, running=nothing, expected=timeless)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_give_only_engine_errors(data):
    """Arbitrary bytes raise only `EngineError`, as they are for no phone."""
    with pytest.raises(EngineError):
        check_package_facts(decode_metadata(data), codename="a", running=OLD, expected=NEW)


PROPERTIES = {
    # The sha256 of nothing and of "abc".
    "FILE_HASH": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "FILE_SIZE": "1024",
    "METADATA_HASH": "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
    "METADATA_SIZE": "281",
}


def test_strings_of_a_release_are_read():
    """Parts may have any order and padding, and unknown properties are ignored."""
    text = "metadata:69:379,payload.bin:679:343,payload_metadata.bin:679:100      "
    assert decode_property_files(text) == {
        "metadata": FileRange(69, 379),
        "payload.bin": FileRange(679, 343),
        "payload_metadata.bin": FileRange(679, 100),
    }
    decoded = decode_payload_properties({**PROPERTIES, "SWITCH_SLOT_ON_REBOOT": "0"})
    assert decoded == PayloadProperties(
        hashlib.sha256().digest(), 1024, hashlib.sha256(b"abc").digest(), 281
    )


def test_property_files_in_another_form_are_refused():
    """Signs, leading zeros, empty or repeated names, paths and long text are refused."""
    for text in (
        *("", " ", "a:1", "a:1:2:3", "a:1:2,", ",a:1:2", " a:1:2", "a:1:2 ,b:1:2", "a:-1:2"),
        *("a:+1:2", "a:01:2", "a:1_0:2", "a:\u0661:2", "a:1:2\n", "a:1:", ":1:2", "a/b:1:2"),
        *("a:1:2,a:3:4", "a:10000000000000000:2", "a:1:2" + " " * 4096),
    ):
        with case(text), pytest.raises(PackageError):
            decode_property_files(text)


def test_payload_properties_in_another_form_are_refused():
    """Each value has one form: decimal without leading zeros, or canonical base64 of 32 bytes."""
    for key in PROPERTIES:
        for value in (
            *(None, "", "x", "-1", "01", "1e3", " 1", "1\n", "٣", "1" * 17, "é" * 44, "A" * 10_000),
            PROPERTIES["FILE_HASH"][:-1],
            PROPERTIES["FILE_HASH"] + "\n",
            PROPERTIES["FILE_HASH"].replace("FU=", "FV="),
            base64.b64encode(bytes(31)).decode(),
        ):
            with case(key, value):
                changed = {name: text for name, text in PROPERTIES.items() if name != key}
                if value is not None:
                    changed[key] = value
                with pytest.raises(PackageError, match=key):
                    decode_payload_properties(changed)


@given(st.text(max_size=60), st.text(max_size=60))
def test_arbitrary_text_gives_only_engine_errors(text, value):
    """Arbitrary text raises only `EngineError`."""
    try:
        decode_property_files(text)
    except EngineError:
        pass
    else:
        assert text.count(":") == 2 * (text.count(",") + 1)
    with pytest.raises(EngineError):
        decode_payload_properties({**PROPERTIES, "FILE_HASH": value})
