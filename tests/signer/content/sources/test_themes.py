"""Themes: colours as an index says, in small letters, with or without a wallpaper."""

import pytest

from fixtures.wallpapers import write_wallpapers
from signer.content.sources.themes import load_themes
from signer.errors import SourceError
from tests.content_rules import check_pack

INDEX = """\
source: Ours
version: "2"
licence: CC0-1.0
themes:
  plain:
    title: {id: Polos, en: Plain}
    author: A
    licence: CC0-1.0
    light: {background: "#FFFFFF", primary: "#0c4a6e", text: "#000000"}
    dark: {background: "#000000", primary: "#7cc4dc", text: "#ffffff"}
"""


def test_the_fixtures_theme_is_one_that_phones_can_hold(tmp_path):
    """Its text can be read on its background, and its wallpaper is there."""
    write_wallpapers(tmp_path)
    built = load_themes(tmp_path)
    check_pack("themes", built.entries)
    assert built.entries["calm"]["wallpaper"] == "sea"


def test_a_theme_is_what_its_index_says(tmp_path):
    """A theme need not have a wallpaper; colours are in small letters."""
    (tmp_path / "themes.yaml").write_text(INDEX)
    built = load_themes(tmp_path)
    assert built.entries == {
        "plain": {
            "author": "A",
            "dark": {"background": "#000000", "primary": "#7cc4dc", "text": "#ffffff"},
            "licence": "CC0-1.0",
            "light": {"background": "#ffffff", "primary": "#0c4a6e", "text": "#000000"},
            "title": {"en": "Plain", "id": "Polos"},
        }
    }
    assert built.sources == [{"licence": "CC0-1.0", "name": "Ours", "version": "2"}]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("  plain", "  a_b", "line 6: 'a_b' is no name"),
        (', text: "#000000"', "", "line 9: text is missing"),
        ("    author: A", "    by: A", "line 6: author is missing"),
    ],
)
def test_an_index_that_is_not_sound_is_refused(tmp_path, before, after, words):
    """With the line of what is wrong."""
    (tmp_path / "themes.yaml").write_text(INDEX.replace(before, after, 1))
    with pytest.raises(SourceError, match=words):
        load_themes(tmp_path)
