import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import FormatError, HeningError
from server.core.names import (
    Channel,
    ask_for_near,
    check_codename,
    check_file_name,
    check_role,
    decode_channel,
    decode_pointer_path,
    decode_release_path,
    hashed_target_path,
    is_codename,
    metadata_name,
)
from tests.strategies import codenames, segments

RESERVED = ["root", "targets", "snapshot", "timestamp", "mirrors", "latest", "tables", "content"]


@pytest.mark.parametrize("name", ["armani", "a", "0", "a" * 32, "dior_x-2", "latest2", "roots"])
def test_codenames(name):
    """Lower-case letters, digits, `_` and `-`, one to 32 of them, name a model."""
    assert is_codename(name)
    check_codename(name)
    check_role(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-a",
        "_a",
        "A",
        "a" * 33,
        "a b",
        "a\n",
        "a.b",
        "a/b",
        "..",
        "\u0430rmani",
        "armani\0",
        "latest-0",
        "latest-",
        *RESERVED,
    ],
)
def test_other_texts_are_no_codenames(name):
    """Reserved names, other alphabets and other lengths are refused."""
    assert not is_codename(name)
    with pytest.raises(FormatError):
        check_codename(name)


@pytest.mark.parametrize("name", [*RESERVED, "latest-0"])
def test_reserved_names_are_role_names(name):
    """A name that is no codename can still be a role's."""
    check_role(name)


@pytest.mark.parametrize("name", ["", "a\n", "../x", "A", "a" * 33, "a b"])
def test_other_texts_are_no_role_names(name):
    """A role name cannot leave its directory or break a line."""
    with pytest.raises(FormatError):
        check_role(name)


@pytest.mark.parametrize("name", ["a.zip", "0.zip", "a.b_c-d.zip", "a" * 91 + ".zip", "a-.zip"])
def test_file_names(name):
    """A package is at most 95 bytes long and ends in `.zip`."""
    check_file_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".zip",
        "a..zip",
        "a..b.zip",
        "a" * 92 + ".zip",
        "A.zip",
        "a.ZIP",
        "a.zip\n",
        "a b.zip",
        "a%2e.zip",
        "-a.zip",
        "a/b.zip",
        "a\\b.zip",
        "a.apk",
        "azip",
    ],
)
def test_other_texts_are_no_file_names(name):
    """Two dots in a row, escapes, separators and other endings are refused."""
    with pytest.raises(FormatError):
        check_file_name(name)


@given(codenames, segments, segments)
def test_a_channel_is_read_back(codename, region, channel):
    """Paths of channels, releases and pointers are read into their parts."""
    expected = Channel(codename, region, channel)
    text = f"{codename}/{region}/{channel}"
    assert str(expected) == text
    assert decode_channel(text) == expected
    assert expected.pointer_path == f"latest/{text}"
    assert decode_pointer_path(f"latest/{text}") == expected
    assert decode_release_path(f"{text}/a.zip") == (expected, "a.zip")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "armani",
        "armani/id",
        "armani/id/stable/x",
        "/id/stable",
        "armani//stable",
        "armani/id/",
        "armani/../stable",
        "armani/./stable",
        "armani/id/stable\n",
        "armani/ID/stable",
        "armani/i_d/stable",
        "armani/" + "a" * 17 + "/stable",
        "root/id/stable",
        "latest/id/stable",
        "armani/-d/stable",
        "armani/id/%73table",
    ],
)
def test_other_texts_are_no_channels(text):
    """Empty, dotted, over-long and reserved parts are refused wherever a channel stands."""
    for decode, path in (
        (decode_channel, text),
        (decode_pointer_path, f"latest/{text}"),
        (decode_release_path, f"{text}/a.zip"),
    ):
        with pytest.raises(FormatError):
            decode(path)


@pytest.mark.parametrize(
    "path",
    ["", "latest", "/armani/id/stable", "tables/armani/id/stable", "Latest/armani/id/stable"],
)
def test_a_pointer_lies_below_latest(path):
    """Any other prefix is refused."""
    with pytest.raises(FormatError):
        decode_pointer_path(path)


@given(st.text(max_size=80))
def test_arbitrary_texts_raise_only_our_error(text):
    """A decoder of names returns a value or raises our error."""
    for decode in (decode_channel, decode_pointer_path, decode_release_path):
        try:
            decode(text)
        except HeningError:
            continue
        assert text.isascii()


def test_metadata_names():
    """Only the timestamp is published without its version."""
    assert metadata_name("timestamp", 7) == "timestamp.json"
    assert metadata_name("root", 1) == "1.root.json"
    assert metadata_name("armani", 12) == "12.armani.json"


def test_the_hash_stands_before_the_file_name():
    """As consistent snapshots require, with and without a directory."""
    assert hashed_target_path("armani/id/stable/a.zip", "ab") == "armani/id/stable/ab.a.zip"
    assert hashed_target_path("a.zip", "ab") == "ab.a.zip"


KNOWN = ["armani/id/stable", "armani/id/beta", "armani/in/stable", "armani", "cancro"]
SHORT = ["dior", "mido", "mocha"]


@pytest.mark.parametrize(
    ("known", "name", "near"),
    [
        (KNOWN, "armani/id/stabel", "armani/id/stable"),
        (KNOWN, "armani/id/bata", "armani/id/beta"),
        (KNOWN, "armnai", "armani"),
        (KNOWN, "armani/id/nightly", ""),
        (KNOWN, "dior", ""),
        (SHORT, "doir", "dior"),
        (SHORT, "dioq", "dior"),
        (SHORT, "mocka", "mocha"),
        (SHORT, "mada", ""),
        (SHORT, "oird", ""),
        (SHORT, "do", ""),
    ],
)
def test_a_near_name(known, name, near):
    """A typing error is found; in a short name one letter differs, or two are swapped."""
    assert ask_for_near(name, known) == (f" Did you mean {near}?" if near else "")
