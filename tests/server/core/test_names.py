import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import FormatError, HeningError
from server.core.names import (
    Channel,
    check_codename,
    check_file_name,
    check_role,
    decode_channel,
    decode_pointer_path,
    decode_release_path,
    hashed_target_path,
    is_codename,
    metadata_name,
    suggest_similar,
)
from tests.cases import case, refuse_each
from tests.strategies import codenames, segments

RESERVED = ["root", "targets", "snapshot", "timestamp", "mirrors", "latest", "tables", "content"]


def test_codenames():
    """A codename has 1 to 32 lower-case letters, digits, `_` and `-`, and is not reserved."""
    for name in ("armani", "a", "0", "a" * 32, "dior_x-2", "latest2", "roots"):
        with case(name):
            assert is_codename(name)
            check_codename(name)
            check_role(name)
    bad = [
        *("", "-a", "_a", "A", "a" * 33, "a b", "a\n", "a.b", "a/b", "..", "\u0430rmani"),
        *("armani\0", "latest-0", "latest-", *RESERVED),
    ]
    assert not any(map(is_codename, bad))
    refuse_each(FormatError, check_codename, bad)


def test_role_names():
    """Role names include the reserved ones; none can leave its folder or break a line."""
    for name in (*RESERVED, "latest-0"):
        check_role(name)
    refuse_each(FormatError, check_role, ["", "a\n", "../x", "A", "a" * 33, "a b"])


def test_file_names():
    """A file name has at most 95 bytes and ends in `.zip`, without `..` or separators."""
    for name in ("a.zip", "0.zip", "a.b_c-d.zip", "a" * 91 + ".zip", "a-.zip"):
        check_file_name(name)
    bad = [
        *("", ".zip", "a..zip", "a..b.zip", "a" * 92 + ".zip", "A.zip", "a.ZIP", "a.zip\n"),
        *("a b.zip", "a%2e.zip", "-a.zip", "a/b.zip", "a\\b.zip", "a.apk", "azip"),
    ]
    refuse_each(FormatError, check_file_name, bad)


@given(codenames, segments, segments)
def test_channel_paths_are_decoded(codename, region, channel):
    """Paths of channels, releases and pointers are decoded into their parts."""
    expected = Channel(codename, region, channel)
    text = f"{codename}/{region}/{channel}"
    assert str(expected) == text
    assert decode_channel(text) == expected
    assert expected.pointer_path == f"latest/{text}"
    assert decode_pointer_path(f"latest/{text}") == expected
    assert decode_release_path(f"{text}/a.zip") == (expected, "a.zip")


def test_malformed_channels_are_refused():
    """Empty, dotted, too long and reserved parts are refused in every path."""
    bad = [
        *("", "armani", "armani/id", "armani/id/stable/x", "/id/stable", "armani//stable"),
        *("armani/id/", "armani/../stable", "armani/./stable", "armani/id/stable\n"),
        *("armani/ID/stable", "armani/i_d/stable", "armani/" + "a" * 17 + "/stable"),
        *("root/id/stable", "latest/id/stable", "armani/-d/stable", "armani/id/%73table"),
    ]
    refuse_each(FormatError, decode_channel, bad)
    others = ["", "latest", "/armani/id/stable", "tables/armani/id/stable"]
    paths = [*(f"latest/{text}" for text in bad), *others, "Latest/armani/id/stable"]
    refuse_each(FormatError, decode_pointer_path, paths)
    refuse_each(FormatError, decode_release_path, [f"{text}/a.zip" for text in bad])


@given(st.text(max_size=80))
def test_arbitrary_paths_raise_only_our_error(text):
    """Any text decodes to a value or raises our error."""
    for decode in (decode_channel, decode_pointer_path, decode_release_path):
        try:
            decode(text)
        except HeningError:
            continue
        assert text.isascii()


def test_metadata_and_target_file_names():
    """Metadata files have a version, except the timestamp; targets have their hash as prefix."""
    assert metadata_name("timestamp", 7) == "timestamp.json"
    assert metadata_name("root", 1) == "1.root.json"
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
def test_similar_name_is_suggested(known, name, near):
    """A similar name is suggested; for a short name, one letter may differ or two be swapped."""
    assert suggest_similar(name, known) == (f" Did you mean {near}?" if near else "")
