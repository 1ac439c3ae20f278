"""Texts and links: which are allowed, character by character."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.content.text import (
    check_host,
    check_link,
    check_localized,
    check_name,
    check_text,
)
from server.core.errors import FormatError
from tests import texts


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "Selamat tahun baru!",
        "नव वर्ष की शुभकामनाएँ",
        "क्\u200dष",  # a joiner of Devanagari
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # a non-joiner of Persian
        "كل عام وأنتم بخير",
        "👩\u200d👩\u200d👧",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # a flag
        "http is a protocol",
        "a & b",
    ],
)
def test_what_people_write_is_taken(text):
    """Letters of any script, joiners that a script needs, and emoji."""
    check_text(text, 100)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has 0 characters"),
        ("abcd", "has 4 characters"),
        ("a\n", r"U\+000A, a control"),
        ("\t", "control"),
        ("\x7f", "control"),
        ("\x85", "control"),
        ("\u2028", r"U\+2028, a forbidden"),
        ("\u2029", "forbidden"),
        ("\u061c", "format"),
        ("\u200e", "format"),
        ("\u202e", "format"),
        ("\u2069", "format"),
        ("\u00ad", "format"),
        ("\ufeff", "format"),
        ("\U000e0001", "format"),
        ("\ud800", "surrogate"),
        ("\ue000", "private"),
        ("\ufffe", "forbidden"),
        ("\U0010ffff", "forbidden"),
        ("<b>", "holds .<."),
        (">", "holds .>."),
        ("e\u0301", "NFC"),
    ],
)
def test_what_is_refused(text, sentence):
    """With the character's number, because some characters cannot be shown."""
    with pytest.raises(FormatError, match=sentence):
        check_text(text, 3)


@pytest.mark.parametrize("name", texts.NEEDED)
def test_what_a_script_or_an_emoji_needs_is_taken(name):
    """Joiners, styles and tags, each in its proper place, and inside a text."""
    check_text(texts.NEEDED[name], 40)
    check_text(f"a {texts.NEEDED[name]} b", 40)


@pytest.mark.parametrize("name", texts.NEEDLESS)
def test_what_cannot_be_seen_and_is_not_needed_is_refused(name):
    """Such characters could carry a hidden message."""
    for text in (texts.NEEDLESS[name], f"a {texts.NEEDLESS[name]} b"):
        with pytest.raises(FormatError, match=r"holds U\+[0-9A-F]{4,6}, (which|a format)"):
            check_text(text, 40)


@pytest.mark.parametrize("text", texts.LINKS)
def test_links_in_disguise_are_refused(text):
    """Of any scheme and of none, in wide letters, circled ones, or with a long s."""
    with pytest.raises(FormatError, match="a link is a member"):
        check_text(text, 40)


@pytest.mark.parametrize("text", [*texts.PLAIN, *texts.NAMES])
def test_what_only_looks_a_little_like_a_link_is_taken(text):
    """Numbers, abbreviations, times; and names that carriers and authorities use."""
    check_name(text, 40)
    if text in texts.PLAIN:
        check_text(text, 40)
    else:
        with pytest.raises(FormatError, match="some program takes for a link"):
            check_text(text, 40)


@pytest.mark.parametrize("text", texts.LEADING)
def test_what_a_program_makes_a_link_of_is_refused(text):
    """A domain name or a scheme; the message says what to write."""
    for each in (text, f"\u89c1 {text} b"):
        with pytest.raises(FormatError, match=r"takes for a link; write a space"):
            check_text(each, 40)


@pytest.mark.parametrize("text", texts.ADDRESSES)
def test_what_a_program_takes_for_the_address_of_a_host_is_refused(text):
    """Of either version of IP; the message says how to write a version."""
    for each in (text, f"\u89c1 {text} b"):
        with pytest.raises(FormatError, match="takes for a host's address; write `v`"):
            check_text(each, 60)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [*((e, "is markup") for e in texts.ENTITIES), *((u, "can be seen") for u in texts.UNSEEN)],
)
def test_markup_and_nothing_are_refused_in_names_too(text, sentence):
    """HTML entities; spaces, and combining marks without a base."""
    with pytest.raises(FormatError, match=sentence):
        check_name(text, 40)


@pytest.mark.parametrize("word", ["http:", "HTTPS:", "JavaScript:", "data:", "Www."])
def test_links_are_not_written_into_texts(word):
    """In any case: a link is a member of its own."""
    with pytest.raises(FormatError, match="a link is a member"):
        check_text(f"see {word}x", 100)


def test_line_feeds_are_allowed_where_they_are_asked_for():
    """And no other control character."""
    check_text("a\nb", 3, lines=True)
    with pytest.raises(FormatError, match=r"U\+000D"):
        check_text("a\r", 3, lines=True)


def test_the_locale_is_named():
    """Of several texts, it is that of the wrong one."""
    check_localized({"en": "a", "id": "b"}, 1)
    with pytest.raises(FormatError, match=r"^id: a text has 2"):
        check_localized({"en": "a", "id": "bb"}, 1)


@pytest.mark.parametrize("host", ["example.com", "a.b", "xn--e1afmkfd.example", "0.example-1.com"])
def test_hosts(host):
    """Names with a dot, in lower case."""
    check_host(host)


@pytest.mark.parametrize(
    "host",
    [
        *["", "localhost", "Example.com", ".example.com", "example.com.", "-a.com", "a-.com"],
        *["a..b", "a_b.com", "a.com:80", "a.com\n", f"{'a' * 97}.com", "ü.de"],
    ],
)
def test_what_is_no_host(host):
    """Ports, capitals, empty labels, one label alone, more than 100 bytes."""
    with pytest.raises(FormatError, match="not a host name"):
        check_host(host)


@pytest.mark.parametrize("rest", ["/", "/a/b.html", "/a?b=c&d=%20", "/~x@y:z,(1)*+;'$!", "/[1]"])
def test_links(rest):
    """To an allowed host, with a path."""
    check_link(f"https://example.com{rest}", ["example.com"])


@pytest.mark.parametrize(
    "link",
    [
        *["http://example.com/", "https://example.com", "https://example.com:443/"],
        *["https://u@example.com/", "https://example.com/#a", "https://example.com/ ", "//a.b/"],
        *["https://example.com/\\", "https://example.com/`", "https://example.com/{", ""],
        *["HTTPS://example.com/", "https://EXAMPLE.com/", "https://example.com/ü"],
        f"https://example.com/{'a' * 281}",
    ],
)
def test_what_is_no_link(link):
    """Ports, users, fragments, other schemes, other characters, more than 300 characters."""
    with pytest.raises(FormatError, match="not of the form"):
        check_link(link, ["example.com"])


def test_a_link_leads_to_an_allowed_host_alone():
    """Not to one of its subdomains, either."""
    for host in ("example.org", "a.example.com", "xexample.com"):
        with pytest.raises(FormatError, match=f"leads to {host}, which is not"):
            check_link(f"https://{host}/", ["example.com"])


@given(st.text(max_size=40))
def test_what_passes_has_none_of_the_forbidden_characters(text):
    """For any text: only our error, and no invisible character that turns or hides text."""
    with contextlib.suppress(FormatError):
        check_text(text, 30, lines=True)
        assert 1 <= len(text) <= 30
        assert not set(text) & {
            *map(chr, [*range(10), *range(11, 32), *range(0x202A, 0x202F)]),
            "<",
        }
    with contextlib.suppress(FormatError):
        check_link(text, ["example.com"])
        assert text.startswith("https://example.com/")
