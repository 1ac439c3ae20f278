"""Settings of the dialects, and their error messages."""

import msgspec
import pytest

from server.compat.options import CompatOptions, check_options
from server.core.errors import FormatError
from server.settings import load_settings

GOOD = """
[compat]
listen = "127.0.0.1:8443"
public_url = "https://u.example"
dialects = ["lineage1", "graphene"]
[compat.devices]
FP4 = "armani"
[compat.channels]
nightly = { region = "id", channel = "stable" }
stable6 = { region = "id", channel = "stable", from_counter = 5, permille = 100 }
"""


def load(tmp_path, text):
    """Load settings from a file."""
    file = tmp_path / "settings.toml"
    file.write_text(text)
    return load_settings(file, {})


def test_dialects_are_off_by_default(tmp_path):
    """By default there is no listener and no dialect."""
    options = load(tmp_path, "").compat
    assert options == CompatOptions()
    assert (options.listen, options.dialects) == ("", ())


def test_names_keep_their_case(tmp_path):
    """Names of devices and channels keep their upper and lower case."""
    options = load(tmp_path, GOOD).compat
    assert options.devices == {"FP4": "armani"}
    assert options.channels["stable6"].from_counter == 5
    assert options.channels["nightly"].permille == 1000


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"lineage1"', '"omaha"', "malformed"),
        ('FP4 = "armani"', "", "no devices or no channels"),
        ('FP4 = "armani"', '"F/4" = "armani"', "malformed"),
        ('FP4 = "armani"', 'FP4 = "Armani"', "not a codename"),
        ('channel = "stable" }', 'channel = "Stable" }', "not a region or channel"),
        ("permille = 100", "permille = 0", "malformed"),
        ("permille = 100", "share = 100", "malformed"),
        ("https://u.example", "u.example", "needs public_url"),
        ("https://u.example", "https://u.example/", "needs public_url"),
        ("https://u.example", "http://u.example", None),
        ('"lineage1", "graphene"', '"custota"', "one_channel"),
        ('"lineage1", "graphene"', '"pixelexperience"', "one_channel"),
        ("[compat]", '[compat]\none_channel = "beta"', "not in channels"),
        ("[compat]", '[compat]\ntls_cert = "a"', "together"),
    ],
)
def test_invalid_settings_are_refused(tmp_path, old, new, sentence):
    """Invalid settings are refused, and the message says what to do.

    Plain HTTP is allowed if no dialect forbids it.
    """
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    if sentence is None:
        load(tmp_path, text)
        with pytest.raises(FormatError, match="refuses URLs other than https"):
            load(tmp_path, text.replace('"lineage1"', '"lineage2"'))
        return
    with pytest.raises(FormatError, match=sentence):
        load(tmp_path, text)


def test_pixelexperience_needs_its_versions(tmp_path):
    """PixelExperience needs a list of versions, because its paths end with one."""
    text = GOOD.replace('"lineage1", "graphene"', '"pixelexperience"')
    text = text.replace("[compat]", '[compat]\none_channel = "nightly"', 1)
    with pytest.raises(FormatError, match="pe_versions"):
        load(tmp_path, text)
    load(tmp_path, text.replace("[compat]", '[compat]\npe_versions = ["14"]', 1))


def test_ambiguous_joined_names_are_refused():
    """Device and channel names that would join to one path are refused."""
    channel = {"region": "id", "channel": "stable"}
    value = {
        "public_url": "https://u.example",
        "dialects": ["graphene"],
        "devices": {"a": "armani", "a-b": "cancro"},
        "channels": {"b-c": channel, "c": channel},
    }
    with pytest.raises(FormatError, match="two devices and channels with the name a-b-c"):
        check_options(msgspec.convert(value, CompatOptions))
