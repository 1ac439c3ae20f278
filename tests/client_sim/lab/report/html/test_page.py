"""Pages escape what strangers sent, mark what is meant, and load nothing."""

import re
from collections import Counter
from html.parser import HTMLParser

from client_sim.lab.report.covering import present
from client_sim.lab.report.html.page import STYLE, render_fragment, render_page
from client_sim.lab.report.redaction import Revealed
from tests.cases import case
from tests.client_sim.pages.test_page import ORIGIN

VOID = {"meta", "br"}
TAGS = {
    *("html", "head", "meta", "title", "style", "body", "main", "header", "section", "div", "span"),
    *("p", "h1", "h2", "h3", "ul", "li", "dl", "dt", "dd", "br", "strong", "pre", "mark"),
    *(
        "details",
        "summary",
        "figure",
        "figcaption",
        "footer",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
    ),
    *("th", "td", "svg", "rect", "line", "path", "circle", "polyline", "text"),
}


class Reader(HTMLParser):
    """Checks that tags are ours and in order, and gathers what is marked and what is read."""

    def __init__(self, page):
        super().__init__()
        self.marked, self.text, self.open, self.tags = "", "", [], Counter()
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        """Note the tag; nothing may load anything or run."""
        assert tag in TAGS
        for name, value in attrs:
            assert not name.startswith("on")
            assert name not in {"src", "href", "style", "action", "srcset"}, value
        self.tags[tag] += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Close what was opened last."""
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        """Note an element of a picture that is empty."""
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_data(self, data):
        """Gather text."""
        self.text += data
        if self.open and self.open[-1] == "mark":
            self.marked += data


def test_a_page_is_well_formed_and_needs_nothing_from_elsewhere(reports):
    """No script, no handler, no address; the same report gives the same page."""
    for name in ("clean", "leaking", "hostile"):
        with case(name):
            presentable = getattr(reports, name)
            page = render_page(presentable, ORIGIN)
            read = Reader(page)
            assert not re.search(r"url\(|@import|https?:", page)
            assert page == render_page(presentable, ORIGIN)
            assert read.tags["svg"] == read.tags["figure"] + len(presentable.report.result.fields)


def test_markup_of_strangers_is_shown_and_not_obeyed(reports):
    """It is text, its controls are escapes."""
    page = render_page(reports.hostile, ORIGIN)
    read = Reader(page)
    assert "<script>alert(1)</script>" in read.text
    assert "&lt;script&gt;" in page
    assert [sign for sign in page if not (sign.isprintable() or sign == "\n")] == []


def test_offending_bytes_are_marked(reports):
    """Covered by default, as they are for those who ask.

    A fragment brings no style of its own, and nothing that two of them could have in common.
    """
    assert "*" * 11 in Reader(render_page(reports.leaking, ORIGIN)).marked
    seen = render_page(present(reports.raw["leaking"], Revealed()), ORIGIN)
    assert reports.owner.imei.encode().hex(" ")[:11] in Reader(seen).marked
    fragment = render_fragment(reports.leaking)
    read = Reader(fragment)
    assert read.tags["style"] == 0
    assert " id=" not in fragment
    assert STYLE in render_page(reports.leaking, ORIGIN)


def test_a_clean_page_says_so(reports):
    """Four claims hold; nothing is marked; the poll is explained field by field."""
    read = Reader(render_page(reports.clean, ORIGIN))
    words = " ".join(read.text.split())
    assert read.marked == ""
    assert (
        "No difference in 6,000 situations of 4 kinds (personal, fleet, server-state, timing)."
        " Each run sent" in words
    )
    assert "at random times. Not varied, and so not claimed: what native code" in words
    assert "In 1,500 cases of 1 kind nothing about the owner changed what left." in words
    for claim in ("(N1)", "(N2)", "(N3)", "(N4)", "Guards"):
        assert f"{claim} holds" in words
    assert "next root version: one more than the root that this phone trusts" in words
    assert "it finds them all" in words
    assert "one way: only a second server can tell" in words
    assert "one owner in a thousand shows was 0.2" in words  # 0.999 to the power of 1500 is 0.223


def test_a_doubtful_instrument_and_an_open_claim_are_said(reports):
    """A clean verdict of an instrument that misses something is worth less.

    A claim that nobody asked about does not hold: it is open.
    """
    raw = reports.raw["clean"]
    doubtful = present(type(raw)(raw.result, reports.poor), Revealed())
    words = " ".join(Reader(render_page(doubtful, ORIGIN)).text.split())
    assert "the instrument failed its own tests" in words
    assert "Survived: whisper." in words
    words = " ".join(Reader(render_page(reports.leaking, ORIGIN)).text.split())
    assert "(N1) broken" in words
    assert "(N2) holds" in words
    assert "(N4) not asked" in words
