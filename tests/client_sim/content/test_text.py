"""Text that a phone shows: what it may hold, and how many SMS it takes."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.content.text import check_link, check_name, check_text, count_segments
from client_sim.device.errors import ContentError
from tests import texts

HOSTS = {"updates.hening.example"}


@pytest.mark.parametrize(
    "text",
    [
        "Selamat tahun baru!",
        "नया साल मुबारक हो",
        "خوش\u200cآمدید",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "新年快乐",
        "http is a word, data too",
        "a" * 20,
    ],
)
def test_text_of_every_script_passes(text):
    """Joiners and the tags of flags included."""
    assert check_text(text, 40) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "a" * 41, "\n", "a\tb", "\x7f", "\x85", "\u2028", "\u2029"),
        *("\u061c", "\u200e", "\u200f", "\u202e", "\u2066", "\u2069", "\ufeff", "\u00ad"),
        *("\ud800", "\ue000", "\uffff", "\ufffe", "\U0001fffe", "e\u0301", "\u212b"),
        *("<", ">", "HTTP://a", "https:a", "Data:text", "java\u017fcript:", "WWW.a"),
    ],
)
def test_text_that_turns_hides_or_links_is_refused(text):
    """One at a time, whatever stands around it."""
    with pytest.raises(ContentError):
        check_text(text, 40)
    with pytest.raises(ContentError):
        check_text(f"a{text or 'b' * 41}b"[:42], 41)


@pytest.mark.parametrize("name", texts.NEEDED)
def test_what_a_script_or_an_emoji_needs_passes(name):
    """Joiners, styles and tags, each where it belongs; and in the middle of a text."""
    for text in (texts.NEEDED[name], f"a {texts.NEEDED[name]} b"):
        assert check_text(text, 40) == text


@pytest.mark.parametrize("name", texts.NEEDLESS)
def test_what_cannot_be_seen_and_is_not_needed_is_refused(name):
    """Whoever writes it says something to somebody else than the reader."""
    for text in (texts.NEEDLESS[name], f"a {texts.NEEDLESS[name]} b"):
        with pytest.raises(ContentError, match=r"U\+"):
            check_text(text, 40)


@pytest.mark.parametrize("text", texts.LINKS)
def test_links_in_disguise_are_refused(text):
    """Of any scheme and none, in wide letters, circled ones, or with a long s."""
    with pytest.raises(ContentError, match="link of its own"):
        check_text(text, 40)


@pytest.mark.parametrize("text", [*texts.PLAIN, *texts.NAMES])
def test_what_only_looks_a_little_like_a_link_passes(text):
    """Numbers, abbreviations, times; and names as carriers and authorities have them."""
    assert check_name(text, 40) == text
    if text in texts.PLAIN:
        assert check_text(text, 40) == text
    else:
        with pytest.raises(ContentError, match="looks like a link"):
            check_text(text, 40)


@pytest.mark.parametrize("text", texts.LEADING)
def test_what_a_program_makes_a_link_of_is_refused(text):
    """A domain's name, or a scheme, also within a sentence."""
    for each in (text, f"\u89c1 {text} b"):
        with pytest.raises(ContentError, match="looks like a link"):
            check_text(each, 40)


@pytest.mark.parametrize("text", texts.ADDRESSES)
def test_what_a_program_takes_for_the_address_of_a_host_is_refused(text):
    """Of either version of IP, also within a sentence."""
    for each in (text, f"\u89c1 {text} b"):
        with pytest.raises(ContentError, match="looks like a link"):
            check_text(each, 60)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [*((e, "as in HTML") for e in texts.ENTITIES), *((u, "can be seen") for u in texts.UNSEEN)],
)
def test_markup_and_nothing_are_refused_in_names_too(text, sentence):
    """Characters as HTML writes them; spaces, and marks upon nothing."""
    with pytest.raises(ContentError, match=sentence):
        check_name(text, 40)


def test_only_long_texts_have_lines():
    """A line feed, and no carriage return."""
    assert check_text("a\nb", 3, is_long=True)
    for text, is_long in (("a\nb", False), ("a\r\nb", True)):
        with pytest.raises(ContentError):
            check_text(text, 9, is_long=is_long)


@given(st.text(min_size=1, max_size=30))
def test_what_passes_has_no_control_and_no_direction(text):
    """By the categories and bidirectional classes of Unicode."""
    try:
        check_text(text, 30)
    except ContentError:
        return
    assert unicodedata.normalize("NFC", text) == text
    classes = {unicodedata.bidirectional(character) for character in text}
    assert classes.isdisjoint({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
    assert all(unicodedata.category(character) not in {"Cc", "Cs", "Co"} for character in text)


@pytest.mark.parametrize(
    "link",
    [
        "https://updates.hening.example/",
        "https://updates.hening.example/a?b=c&d=%20;e@f:g!$'()*,~[x]",
    ],
)
def test_links_to_allowed_hosts_pass(link):
    """To any page of them."""
    assert check_link(link, HOSTS) == link


@pytest.mark.parametrize(
    "link",
    [
        None,
        "https://updates.hening.example",
        "https://updates.hening.example:443/",
        "https://a@updates.hening.example/",
        "https://updates.hening.example.evil.example/",
        "https://UPDATES.hening.example/",
        "https://updates.hening.example/#a",
        "https://updates.hening.example/\\a",
        "https://updates.hening.example/ a",
        "https://updates.hening.example/\u00e4",
        "https://updates.hening.example/\n",
        "https://updates.hening.example/" + "a" * 270,
        "http://updates.hening.example/",
    ],
)
def test_all_other_links_are_refused(link):
    """No port, no user, no fragment, no other host, no other scheme."""
    with pytest.raises(ContentError):
        check_link(link, HOSTS)


# 3GPP TS 23.038 section 6.2.1 and 23.040 section 9.2.3.24.1, by hand.
@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("\u20ac" * 80, 1),
        ("\u20ac" * 81, 2),
        ("a" * 152 + "\u20ac" + "a" * 152, 3),
        ("\u4e2d" * 70, 1),
        ("\u4e2d" * 71, 2),
        ("\u4e2d" * 134, 2),
        ("\u4e2d" * 135, 3),
        ("\U0001f600" * 35, 1),
        ("\u4e2d" * 66 + "\U0001f600" + "\u4e2d" * 66, 3),
        ("\u00e7", 1),
        ("\u00e7" * 71, 2),
        ("\u00c7" * 160, 1),
    ],
)
def test_segments(text, segments):
    """Septets or UTF-16 units; no escaped character and no pair is split over two messages."""
    assert count_segments(text) == segments
