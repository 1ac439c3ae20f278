"""Pages escape what strangers sent, mark what is meant, and load nothing."""

import re
from html.parser import HTMLParser

from client_sim.lab.clients.phone_2014 import phone_2014
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.programme.examine import examine
from client_sim.lab.report.html import render_fragment, render_html
from client_sim.lab.scenarios.driving import SHORT_STORY
from client_sim.persona import make_persona

OWNERS = [make_persona(seed) for seed in range(2)]


class Rude(ToyClient):
    """Sends markup."""

    def headers(self):
        """Add markup to the header lines."""
        return (*super().headers(), "X: <script>alert(1)</script>")


class Marks(HTMLParser):
    """Gathers the text of marks and the names of tags."""

    def __init__(self):
        super().__init__()
        self.text, self.tags, self.inside = "", [], False

    def handle_starttag(self, tag, attrs):
        """Note the tag; nothing may load anything."""
        assert not {name for name, _ in attrs} & {"src", "href", "onclick"}
        self.tags.append(tag)
        self.inside = tag == "mark"

    def handle_endtag(self, tag):
        """Leave a mark."""
        self.inside = self.inside and tag != "mark"

    def handle_data(self, data):
        """Gather marked text."""
        if self.inside:
            self.text += data


def test_the_imei_is_marked_in_the_dump(make_world):
    """The page of the 2014 phone shows the IMEI's digits, marked, beside their hexadecimal form."""
    verdict = examine(phone_2014, make_world, OWNERS, SHORT_STORY, name="the phone of 2014")
    page = render_html(verdict)
    marks = Marks()
    marks.feed(page)
    assert OWNERS[0].imei.encode().hex(" ")[:11] in marks.text
    assert re.search(">leak<", page)
    assert render_fragment(verdict) in page
    assert "script" not in marks.tags


def test_markup_of_strangers_is_shown_and_not_obeyed(make_world):
    """No tag of a client becomes a tag of the page."""
    page = render_html(examine(Rude, make_world, OWNERS, SHORT_STORY, name="<b>rude</b>"))
    marks = Marks()
    marks.feed(page)
    assert "script" not in marks.tags
    assert "b" not in marks.tags
    assert "&lt;b&gt;rude" in page


def test_a_clean_page_says_so(make_world):
    """Nothing is marked where nothing was found."""
    page = render_html(examine(ToyClient, make_world, OWNERS, SHORT_STORY, name="toy"))
    marks = Marks()
    marks.feed(page)
    assert "mark" not in marks.tags
    assert ">clean<" in page


def test_tables_scroll_and_badges_stay_whole_on_a_narrow_screen(make_world):
    """Each table has a box that scrolls; a badge is one line."""
    page = render_html(examine(ToyClient, make_world, OWNERS, SHORT_STORY, name="toy"))
    boxed = '<div class="scroll" style="overflow-x:auto"><table>'
    assert page.count("<table") == page.count(boxed) == page.count("</table></div>") == 1
    badge = re.search(r"\.badge\{[^}]*\}", page)
    assert "white-space:nowrap" in badge[0]
