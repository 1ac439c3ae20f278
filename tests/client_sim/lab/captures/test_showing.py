"""What a stranger wrote does not move a cursor, write markup or hide."""

import io
import json

from rich.console import Console

from client_sim.lab.captures.audit import audit_capture
from client_sim.lab.captures.loading import load_capture
from client_sim.lab.captures.page import render_page
from client_sim.lab.captures.seen import Asked, Capture, Conversation, State
from client_sim.lab.captures.showing import audit_to_dict, printable, render_audit
from fixtures.captures import FOLDER
from tests.client_sim.pages.test_origin import ORIGIN

HOSTILE = (
    b"POST /\x1b[2J<script>alert(1)</script>[red]x[/red] HTTP/1.1\r\n"
    b"\x1b]0;title\x07<img src=x>: \xe2\x80\xae\x1b[31m\r\nHost: <b>h\x1b[0m\r\n\r\n"
)


def hostile():
    """Audit a capture that is all escapes."""
    where = "connection 1, to \x1b[31m<i>"
    talk = Conversation(
        where, b"198.51.100.10 8080 plain", 0, 0.0, HOSTILE, State.PLAIN, name=b"<u>\x1b[5mh"
    )
    asked = (Asked("q", b"\x1b[2J<script>", 1, b""),)
    return audit_capture(Capture("HAR", (talk,), asked=asked), None, None, personal=True)


def shown(audit, personal=True):
    """Give what a terminal gets."""
    out = io.StringIO()
    render_audit(audit, Console(file=out, width=120), ORIGIN, personal=personal)
    return out.getvalue()


def test_a_terminal_gets_no_control_characters():
    """But for the ends of lines; markup of the library is text."""
    text = shown(hostile())
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    assert "\\x1b[2J" in text
    assert "[red]x[/red]" in text


def test_a_text_without_end_is_cut_before_it_is_looked_through():
    """A stranger's name may have millions of signs; escapes count as they are shown."""
    assert printable("a" * 10_000_000) == "a" * 480 + "…"
    assert printable(b"\x1b" * 300) == ("\\x1b" * 300)[:480] + "…"
    assert printable("a" * 480) == "a" * 480


def test_a_page_gets_no_elements_of_a_stranger():
    """Everything is escaped, and it needs nothing from elsewhere."""
    page = render_page(hostile(), ORIGIN, personal=True)
    for word in ("<script", "<img", "<b>", "<u>", "<i>", "\x1b", "\u202e", "http://", "https://"):
        assert word not in page
    assert "&lt;script&gt;" in page
    assert page.startswith("<!doctype html>")


def test_json_has_no_control_characters_and_the_whole_audit():
    """Bytes are hexadecimal; fields have both numbers of bits."""
    told = audit_to_dict(hostile(), personal=True)
    assert "\\u001b" not in json.dumps(told)
    assert (told["verdict"], told["clean"], told["host_given"]) == ("unexplained", False, False)
    grammar = next(check for check in told["checks"] if check["name"] == "grammar")
    assert bytes.fromhex(grammar["findings"][0]["offending"]).startswith(b"POST /\x1b[2J")
    assert {key: value for key, value in told["fields"][0].items() if "bits" not in key} == {
        "name": "method",
        "count": 1,
        "distinct": 1,
    }


def test_a_long_name_is_cut():
    """A stranger does not fill the screen."""
    assert printable("x" * 10_000).endswith("x…")
    assert len(printable("x" * 10_000)) < 600


def test_the_audit_of_a_clean_poll_reads_so():
    """What was seen first, the verdict last."""
    audit = audit_capture(load_capture(FOLDER / "ours.pcap"), None, None)
    lines = shown(audit, personal=False).splitlines()
    assert lines[:2] == [str(ORIGIN), "format: pcap"]
    assert "host contacted: updates.hening.example (2 connections)" in lines
    assert "name asked for: updates.hening.example (2 times)" in lines
    one = audit_capture(load_capture(FOLDER / "ours.pcapng"), None, None)
    assert "contacted: updates.hening.example (1 connection)" in shown(one, personal=False)
    assert lines[-2].startswith("taken for the host: updates.hening.example:8080")
    assert lines[-1] == "verdict: clean"
    assert "as the request table says" in "\n".join(lines)
    assert ">clean<" in render_page(audit, ORIGIN, personal=False).replace("\n", "")
