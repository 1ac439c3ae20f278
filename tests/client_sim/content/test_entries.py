"""Checks of entries against the index and against packs of wallpapers."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.content.fetch import check_entries
from client_sim.content.index import File
from client_sim.content.kinds import KINDS
from client_sim.device.errors import ContentError
from tests.cases import case
from tests.server.core.content.samples import entries_of

HOSTS = frozenset({"example.com"})


def test_pictures_that_no_wallpaper_has_are_refused():
    """The index lists exactly the pictures of the entries."""
    with pytest.raises(ContentError, match="no wallpaper has"):
        check_entries("wallpapers", {}, hosts=(), pictures={"x": File(1, "0" * 64)}, wallpapers=())


def test_wallpapers_of_themes():
    """If the pack of wallpapers cannot be read, a theme may name any wallpaper."""
    for wallpapers in (None, {"waves"}):
        check_entries("themes", entries_of("themes"), hosts=(), pictures={}, wallpapers=wallpapers)
    with pytest.raises(ContentError, match="not there"):
        check_entries("themes", entries_of("themes"), hosts=(), pictures={}, wallpapers=())


def test_picture_must_match_the_index():
    """Hash and length of a picture are those of the index."""
    for member, value in (("sha256", "0" * 64), ("length", 1)):
        with case(member, value):
            entries = entries_of("wallpapers")
            pictures = {
                key: File(entry["length"], entry["sha256"]) for key, entry in entries.items()
            }
            check_entries("wallpapers", entries, hosts=(), pictures=pictures, wallpapers=None)
            entries["waves"][member] = value
            with pytest.raises(ContentError, match="not the one that the index lists"):
                check_entries("wallpapers", entries, hosts=(), pictures=pictures, wallpapers=None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["link", "tzif", "apns", "days", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.sampled_from(sorted(KINDS)),
    st.dictionaries(st.sampled_from(["ID", "510-10", "ID-2026", "text/a/b/1", "a"]), JSON),
)
def test_arbitrary_entries_raise_only_content_error(kind, entries):
    """Arbitrary entries raise no other error."""
    with suppress(ContentError):
        check_entries(kind, entries, hosts=HOSTS, pictures={}, wallpapers=None)
