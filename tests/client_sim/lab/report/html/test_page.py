"""Pages escape hostile texts, mark offending bytes, and load nothing."""

import re
from collections import Counter
from html.parser import HTMLParser

from client_sim.lab.report.html.page import STYLE, render_fragment, render_page
from client_sim.lab.report.presentable import present
from client_sim.lab.report.redaction import NoRedaction
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
    """Checks that tags are allowed and nested, and collects the text and the marked text."""

    def __init__(self, page):
        super().__init__()
        self.marked, self.text, self.open, self.tags = "", "", [], Counter()
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        """Count the tag; no attribute may load or run anything."""
        assert tag in TAGS
        for name, value in attrs:
            assert not name.startswith("on")
            assert name not in {"src", "href", "style", "action", "srcset"}, value
        self.tags[tag] += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Close the innermost open tag."""
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        """Count an empty element of a picture."""
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_data(self, data):
        """Collect text."""
        self.text += data
        if self.open and self.open[-1] == "mark":
            self.marked += data


def test_page_is_well_formed_and_self_contained(reports):
    """It has no script, event handler or URL, and the same report gives the same page."""
    for name in ("clean", "leaking", "hostile"):
        with case(name):
            presentable = getattr(reports, name)
            page = render_page(presentable, ORIGIN)
            read = Reader(page)
            assert not re.search(r"url\(|@import|https?:", page)
            assert page == render_page(presentable, ORIGIN)
            assert read.tags["svg"] == read.tags["figure"] + len(presentable.report.result.fields)


def test_hostile_markup_is_escaped(reports):
    """Markup is shown as text, and control characters are escaped."""
    page = render_page(reports.hostile, ORIGIN)
    read = Reader(page)
    assert "<script>alert(1)</script>" in read.text
    assert "&lt;script&gt;" in page
    assert [char for char in page if not (char.isprintable() or char == "\n")] == []


def test_offending_bytes_are_marked(reports):
    """They are redacted by default.

    A fragment has no style and no ids, so that a page can have two of them.
    """
    assert "*" * 11 in Reader(render_page(reports.leaking, ORIGIN)).marked
    seen = render_page(present(reports.raw["leaking"], NoRedaction()), ORIGIN)
    assert reports.owner.imei.encode().hex(" ")[:11] in Reader(seen).marked
    fragment = render_fragment(reports.leaking)
    read = Reader(fragment)
    assert read.tags["style"] == 0
    assert " id=" not in fragment
    assert STYLE in render_page(reports.leaking, ORIGIN)


def test_clean_page(reports):
    """All claims hold, nothing is marked, and the fields of a poll are explained."""
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


def test_failed_instrument_and_open_claims_are_shown(reports):
    """A clean verdict says if the instrument missed something.

    A claim that was not examined is open.
    """
    raw = reports.raw["clean"]
    doubtful = present(type(raw)(raw.result, reports.poor), NoRedaction())
    words = " ".join(Reader(render_page(doubtful, ORIGIN)).text.split())
    assert "the instrument failed its own tests" in words
    assert "Survived: whisper." in words
    words = " ".join(Reader(render_page(reports.leaking, ORIGIN)).text.split())
    assert "(N1) broken" in words
    assert "(N2) holds" in words
    assert "(N4) not asked" in words
