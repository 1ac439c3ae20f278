"""Texts, links and hosts of packs: what server and phone allow, character by character."""

import re
import unicodedata
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_sim.content import text as phone
from client_sim.content.index import decode_index
from client_sim.device.errors import ContentError
from hening.top_level_domains import TOP_LEVEL_DOMAINS
from server.core.content import text as server
from server.core.content.greetings import count_segments
from tests import texts
from tests.content.judges import Rule

FORMATS = Path(__file__).parents[2] / "docs" / "FORMATS.md"
HOSTS = frozenset({"example.com"})
TEXT = Rule(server.check_text, phone.check_text)
LINES = Rule(
    lambda text, limit: server.check_text(text, limit, lines=True),
    lambda text, limit: phone.check_text(text, limit, is_long=True),
)
NAME = Rule(server.check_name, phone.check_name)
LINK = Rule(lambda link: server.check_link(link, HOSTS), lambda link: phone.check_link(link, HOSTS))


def check_index_host(host):
    """Have the phone read an index with this host."""
    decode_index("tables", {"hosts": [host], "packs": {}, "schema": 1}, {})


HOST = Rule(server.check_host, check_index_host)

ACCEPTED = [
    *("a", "Selamat tahun baru!", "http is a word, data too", "a & b", "a" * 20),
    *("नव वर्ष की शुभकामनाएँ", "नया साल मुबारक हो", "كل عام وأنتم بخير", "新年快乐"),
    "خوش\u200cآمدید",
]


def test_plain_text_is_accepted():
    """Letters, joiners and styles of any script or emoji are accepted, and numbers."""
    for text in (*ACCEPTED, *texts.NEEDED.values(), *texts.PLAIN):
        assert TEXT.accepts(text, 40), text
        assert NAME.accepts(text, 40), text
    for text in texts.NEEDED.values():
        assert TEXT.accepts(f"a {text} b", 40), text


#: By the messages of server and phone: texts that are refused, alone and between letters.
REFUSED = {
    (r"U\+[0-9A-F]{4}, a control", r"U\+00"): ["\n", "a\tb", "\x7f", "\x85", "\x00"],
    (r"U\+202[89], a forbidden", r"U\+202"): ["\u2028", "\u2029"],
    (r"U\+[0-9A-F]{4,5}, a format", r"U\+"): [
        *("\u061c", "\u200e", "\u200f", "\u202e", "\u2066", "\u2069", "\u00ad", "\ufeff"),
        "\U000e0001",
    ],
    (r"U\+D800, a surrogate", r"U\+D800"): ["\ud800"],
    (r"U\+E000, a private", r"U\+E000"): ["\ue000"],
    (r", a forbidden", r"U\+1?F?FFF"): ["\uffff", "\ufffe", "\U0001fffe"],
    ("NFC", "composed form"): ["e\u0301", "\u212b"],
    ("holds '[<>]'", "link of its own"): ["<", ">", "<b>"],
    ("only in the member", "link of its own"): [
        *("HTTP:", "https:", "Data:text", "JavaScript:", "java\u017fcript:", "Www.", "http\u017f:"),
        *texts.LINKS,
    ],
}


def test_controls_markup_and_links_are_refused():
    """Such texts are refused alone and inside a sentence, also in names."""
    for (server_message, phone_message), found in REFUSED.items():
        for text in found:
            for each, rule in product((text, f"see {text}x"), (TEXT, NAME)):
                rule.check_refused(each, 60, server=server_message, phone=phone_message)


def test_length_limits() -> None:
    """A text has one character up to the limit; line feeds need `lines`, and messages a locale."""
    assert TEXT.judge("", 3)[0] == "a text has 0 characters, and 1 to 3 are allowed"
    assert TEXT.accepts("\U0001f600" * 3, 3)
    assert TEXT.judge("abcd", 3) == (
        "a text has 4 characters, and 1 to 3 are allowed",
        "A text is missing, or has more than 3 characters.",
    )
    assert LINES.accepts("a\nb", 3)
    for text in ("a\r", "a\r\nb", "a\u2028b"):
        assert not LINES.accepts(text, 9), text
    server.check_localized({"en": "a", "id": "b"}, 1)
    with pytest.raises(server.FormatError, match=r"^id: a text has 2"):
        server.check_localized({"en": "a", "id": "bb"}, 1)


def test_invisible_characters_are_refused() -> None:
    """Invisible characters, which could carry a hidden message, and entities are refused."""
    for text in texts.NEEDLESS.values():
        for each in (text, f"a {text} b"):
            message = r"holds U\+[0-9A-F]{4,6}, (which|a format)"
            TEXT.check_refused(each, 40, server=message, phone=r"U\+")
    for server_message, phone_message, found in (
        ("is markup", "an HTML entity", texts.ENTITIES),
        ("can be seen", "can be seen", texts.UNSEEN),
    ):
        for text in found:
            NAME.check_refused(text, 40, server=server_message, phone=phone_message)
            assert not TEXT.accepts(text, 40)


#: What a name may have and a text may not, by the server's message.
GUESSED = {
    "turn into a link; write a": [*texts.LEADING, *texts.NAMES],
    "take for a host's address; write `v`": texts.ADDRESSES,
}


def test_domains_and_schemes_are_refused_in_texts():
    """Schemes, domains and addresses are refused in texts, but allowed in names."""
    looks_like = r"^A text has a word that looks like a link\.$"
    for message, found in GUESSED.items():
        for text in found:
            for each in (text, f"\u89c1 {text} b"):
                TEXT.check_refused(each, 60, server=message, phone=looks_like)
    for name in texts.NAMES:
        assert NAME.accepts(name, 40), name


#: Pieces of links and of look-alikes: `\u0440\u0444` is a top-level domain.
PIECES = [
    *"aaZ0.:/ &;#-+@_\u00e9\uff1a\u3002\u0940\u2800\U0001d5ba\uff0e\u4e2d\u2764\u0660",
    *("\u0440\u0444", ".\u0420\u0424", "::", "1.2", "12.345", ".1.2", "1:2:3:", "db8:"),
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=9).map("".join) | st.text())
def test_arbitrary_texts(text):
    """An accepted text is composed (NFC), without controls and direction marks."""
    if not LINES.accepts(text, 30):
        NAME.accepts(text, 30)
        return
    assert NAME.accepts(text.replace("\n", " "), 30)
    assert unicodedata.normalize("NFC", text) == text
    classes = {unicodedata.bidirectional(character) for character in text}
    assert classes.isdisjoint({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
    categories = {unicodedata.category(character) for character in text.replace("\n", "")}
    assert categories.isdisjoint({"Cc", "Cs", "Co"})


def test_top_level_domains_match_formats():
    """Both refuse exactly the top-level domains that FORMATS lists.

    Labels that begin with two ASCII letters always count as links.
    """
    section = FORMATS.read_text(encoding="utf-8")
    labels = re.search(r"^\*Top\* are [^:]+: `([a-z0-9 -]+)`", section, re.MULTILINE)[1].split()
    tops = {label.encode().decode("punycode") for label in labels}
    assert len(labels) == 162
    assert tops == TOP_LEVEL_DOMAINS
    for top in tops:
        for label in (top, top.upper(), top[:-1], top + top[-1], f"{top}1"):
            is_link = label.casefold() in tops or label[:2].isascii()
            assert TEXT.accepts(f"\u4e2d.{label}", 60) != is_link, label


REST = ("/", "/a/b.html", "/a?b=c&d=%20", "/~x@y:z,(1)*+;'$!", "/[1]", f"/{'a' * 280}")
INVALID_LINKS = [
    *["http://example.com/", "https://example.com", "https://example.com:443/"],
    *["https://u@example.com/", "https://example.com/#a", "https://example.com/ ", "//a.b/"],
    *["https://example.com/\\", "https://example.com/`", "https://example.com/{", ""],
    *["HTTPS://example.com/", "https://EXAMPLE.com/", "https://example.com/ü"],
    *["https://example.com/\n", f"https://example.com/{'a' * 281}"],
]


def test_links_need_an_allowed_host() -> None:
    """A link is `https://HOST/PATH` with an allowed host of at least two labels."""
    for rest in REST:
        assert LINK.accepts(f"https://example.com{rest}"), rest
    for link in INVALID_LINKS:
        LINK.check_refused(link, server="not of the form")
    for host in ("example.org", "a.example.com", "xexample.com", "example.com.evil.example"):
        LINK.check_refused(f"https://{host}/", server=f"leads to {re.escape(host)}, which is not")
    with pytest.raises(ContentError, match="not a text"):
        phone.check_link(None, HOSTS)
    for host in (
        "example.com",
        "a.b",
        "xn--e1afmkfd.example",
        "0.example-1.com",
        f"{'a' * 96}.com",
    ):
        assert HOST.accepts(host), host
    for host in (
        *("", "localhost", "Example.com", ".example.com", "example.com.", "-a.com", "a-.com"),
        *("a..b", "a_b.com", "a.com:80", "a.com\n", f"{'a' * 97}.com", "ü.de"),
    ):
        HOST.check_refused(host, server="not a host name")


@given(st.text(max_size=40) | st.text(max_size=20).map("https://example.com/".__add__))
def test_arbitrary_links(link):
    """An accepted link leads to the allowed host."""
    assert not LINK.accepts(link) or link.startswith("https://example.com/")


# 3GPP TS 23.038 section 6.2.1 and 23.040 section 9.2.3.24.1, by hand.
SEGMENTS = [
    ("a", 1),
    ("a" * 160, 1),
    ("a" * 161, 2),
    ("a" * 306, 2),
    ("a" * 307, 3),
    ("€" * 80, 1),
    ("€" * 81, 2),
    ("a" * 152 + "€" + "a" * 7, 2),  # 161 septets; the pair moves to the second segment
    ("a" * 152 + "€" + "a" * 151, 2),  # 152 in the first, 153 in the second
    ("a" * 152 + "€" + "a" * 152, 3),
    ("ΔΩ[]~|^{}\\\n\r" * 10, 2),  # 4 + 8 * 2 septets, ten times: 200
    ("ü" * 160, 1),
    ("Ç" * 160, 1),
    ("ç" * 71, 2),
    ("ş" * 70, 1),
    ("ş" * 71, 2),
    ("ş" * 134, 2),
    ("ş" * 135, 3),
    ("😀" * 35, 1),
    ("😀" * 36, 2),
    ("😀" * 66, 2),  # 33 pairs in each: a pair is not split
    ("😀" * 67, 3),
    ("中" * 66 + "😀" + "中" * 66, 3),
    ("a" * 69 + "ё", 1),
]


def test_sms_segments():
    """A single message has 160 septets or 70 units, a segment of several has 153 or 67."""
    for text, segments in SEGMENTS:
        assert count_segments(text) == phone.count_segments(text) == segments, text


@given(st.text(st.sampled_from("a€ş😀Ç\n["), max_size=400))
def test_sms_segments_of_arbitrary_texts(text):
    """Both count the same segments in texts of septets, units and their pairs."""
    assert count_segments(text) == phone.count_segments(text)
