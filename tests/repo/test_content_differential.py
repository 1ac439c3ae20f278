"""Phone and server implement the schemas of packs separately, and agree about entries."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_sim.content.checks import check_entries as check_on_phone
from client_sim.content.index import File
from client_sim.content.text import has_entity, is_blank, leads_away
from client_sim.device.errors import ContentError
from server.core.content.role import check_entries as check_on_server
from server.core.content.text import check_is_seen, check_links_nowhere
from server.core.errors import FormatError
from signer.content.errors import ContentError as BuilderError
from signer.content.validate import check_prose
from tests.client_sim.content.test_entries import paths, put
from tests.server.core.content.samples import KINDS, b64, entries_of, tzif

HOSTS = {"example.com"}
FORMATS = Path(__file__).parents[2] / "docs" / "FORMATS.md"
VALUES = [
    *(None, 7.5, True, -1, 0, 2**53, 65_536, "", "0", "a", "a b", "a\n", "A" * 70, "a" * 2_100),
    *("\u202e", "<b>", "\u017f", "DATA:", "\u212a", "\u00e9", "e\u0301", "1" * 9, "2026-01-01"),
    *("https://example.com/", "#000000", "tables", "en", [], {}, {"en": "x"}, {"xx-1": "y"}),
    *("2026-01-05", "2026-01-06", "2025-12-31"),
    *({"en": "x\ny"}, ["2026-01-01"], ["2026-01-02", "2026-01-01"], ["112", "112"], ["tables"]),
    *(["default"], ["default", "default"], {"link": "Asia/Jakarta"}, {"tzif": "VFppZg=="}),
]


def passes_on_phone(kind, entries):
    """Tell whether the phone accepts entries, with the pictures that they name listed."""
    pictures = {}
    if kind == "wallpapers":
        pictures = {
            key: File(entry["length"], entry["sha256"])
            for key, entry in entries.items()
            if isinstance(entry, dict) and isinstance(entry.get("length"), int)
        }
    try:
        check_on_phone(kind, entries, hosts=HOSTS, pictures=pictures, wallpapers=None)
    except ContentError:
        return False
    return True


def passes_on_server(kind, entries):
    """Tell whether the server accepts them."""
    try:
        check_on_server(kind, entries, hosts=HOSTS)
    except FormatError:
        return False
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_both_say_the_same(kind):
    """Valid entries with any one value exchanged; some of them are still valid."""
    entries = entries_of(kind)
    said = set()
    for path in paths(entries):
        for value in VALUES if path else ():
            changed = put(entries, path, value)
            on_phone = passes_on_phone(kind, changed)
            assert on_phone == passes_on_server(kind, changed), (path, value)
            said.add(on_phone)
    assert False in said


def is_taken(check, text, error):
    """Tell whether one of the implementations accepts a text."""
    try:
        check(text)
    except error:
        return False
    return True


#: Pieces of links and of look-alikes: `\u0440\u0444` is a top-level domain.
PIECES = [
    *"aaZ0.:/ &;#-+@_\u00e9\uff1a\u3002\u0940\u2800\U0001d5ba\uff0e\u4e2d\u2764\u0660",
    *("\u0440\u0444", ".\u0420\u0424", "::", "1.2", "12.345", ".1.2", "1:2:3:", "db8:"),
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=9).map("".join))
def test_builder_publisher_and_phone_agree_about_links(text):
    """They agree on texts like links, like markup, or like neither, each by its own code."""
    builder = is_taken(check_prose, text, BuilderError)
    assert (
        is_taken(lambda each: check_is_seen(each) or check_links_nowhere(each), text, FormatError)
        == builder
    )
    assert builder == (not (leads_away(text) or has_entity(text) or is_blank(text)))


def test_the_top_level_domains_that_formats_lists_are_links():
    """All three agree on each domain, also without its last letter or with one more.

    Names that begin with two ASCII letters already count as links.
    """
    section = FORMATS.read_text(encoding="utf-8")
    labels = re.search(r"^\*Top\* are [^:]+: `([a-z0-9 -]+)`", section, re.MULTILINE)[1].split()
    tops = {label.encode().decode("punycode") for label in labels}
    assert len(labels) == len(tops) == 162
    for top in tops:
        for label in (top, top.upper(), top[:-1], top + top[-1], f"{top}1"):
            is_link = label.casefold() in tops or label[:2].isascii()
            text = f"\u4e2d.{label}"
            assert is_taken(check_prose, text, BuilderError) != is_link
            assert is_taken(check_links_nowhere, text, FormatError) != is_link
            assert leads_away(text) == is_link


FOOTERS = {
    "": True,
    "CET-1CEST,M3.5.0,M10.5.0/3": True,
    "<-02>2<-01>,M3.5.0/-1,M10.5.0/0": True,
    "XXX3EDT4,0/0,J365/23": True,
    "EST5EDT": False,
    "EST25": False,
    "EST5EDT,J0,J365": False,
    "EST5EDT,J1,J366": False,
    "EST5EDT,366,1": False,
    "EST5EDT,M3.2.0/168,M11.1.0": False,
    "EST5EDT,M13.2.0,M11.1.0": False,
    "EST5EDT,M3.2.0": False,
    "ES5": False,
    "<+07-7": False,
    f"<{'A' * 17}>5": False,
}


@pytest.mark.parametrize("footer", FOOTERS)
def test_both_know_the_rules_for_later_years(footer):
    """The rules of RFC 9636 section 3.3.2 and no others; summer time has both changes."""
    entries = {"Asia/Jakarta": {"tzif": b64(tzif(footer.encode()))}}
    assert passes_on_phone("zones", entries) == FOOTERS[footer]
    assert passes_on_server("zones", entries) == FOOTERS[footer]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 101), st.binary(max_size=2), st.integers(0, 2))
def test_both_read_every_byte_of_a_zone(at, data, gone):
    """Up to its names, no byte of the sample can differ: headers, and an empty block."""
    whole = tzif()
    changed = whole[:at] + data + whole[at + gone :]
    entries = {"Asia/Jakarta": {"tzif": b64(changed)}}
    on_phone = passes_on_phone("zones", entries)
    assert on_phone == passes_on_server("zones", entries)
    if at < 95 and changed[:95] != whole[:95]:
        is_other_version = changed[4] == changed[55] and changed[4:5] in {b"3", b"4"}
        assert not on_phone or is_other_version


@pytest.mark.parametrize("text", ["http\u017f:", "java\u017fcript:", "HTTPS:"])
def test_both_fold_letters_alike(text):
    """A forbidden word is also refused in capitals or with a long s."""
    entries = entries_of("notices")
    changed = {
        key: {**entry, "title": {**entry["title"], "en": text}} for key, entry in entries.items()
    }
    assert passes_on_phone("notices", changed) == passes_on_server("notices", changed)
