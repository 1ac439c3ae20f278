"""An audit shown in every form: what a stranger wrote moves no cursor and writes no markup."""

import io
import json
from functools import cache, partial
from xml.etree import ElementTree as ET

from rich.console import Console

from client_sim.lab.captures.audit import audit_capture
from client_sim.lab.captures.known import decode_known
from client_sim.lab.captures.loading import load_capture
from client_sim.lab.captures.seen import Asked, Capture, Conversation, Loose, State
from client_sim.lab.captures.showing import (
    audit_to_dict,
    printable,
    render_audit,
    render_audit_junit,
    render_audit_sarif,
    render_page,
)
from fixtures.captures import FOLDER, HOST, KNOWN
from tests.client_sim.lab.report.test_junit import ATTRIBUTES, CHILDREN
from tests.client_sim.lab.report.test_sarif import check_run
from tests.client_sim.pages.test_page import ORIGIN

HOSTILE = (
    b"POST /\x1b[2J<script>alert(1)</script>[red]x[/red] HTTP/1.1\r\n"
    b"\x1b]0;title\x07<img src=x>: \xe2\x80\xae\x1b[31m\r\nHost: <b>h\x1b[0m\r\n\r\n"
)
IMEI = decode_known(json.dumps({"imei": KNOWN["imei"]}).encode())
TRAP = "\x1b[2J\x07</td><script>alert(1)</script>]]>&\x00\u202e\ufffe'\""


def escaping():
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
    """But for ends of lines; markup is text, and a text without end is cut."""
    text = shown(escaping())
    assert all(sign.isprintable() or sign == "\n" for sign in text)
    assert "\\x1b[2J" in text
    assert "[red]x[/red]" in text
    assert printable("a" * 10_000_000) == "a" * 480 + "…"
    assert printable(b"\x1b" * 300) == ("\\x1b" * 300)[:480] + "…"
    assert printable("a" * 480) == "a" * 480


def test_a_page_and_json_get_nothing_of_a_stranger():
    """Everything is escaped, and a page needs nothing from elsewhere.

    In JSON bytes are hexadecimal; fields have both numbers of bits.
    """
    page = render_page(escaping(), ORIGIN, personal=True)
    for word in ("<script", "<img", "<b>", "<u>", "<i>", "\x1b", "\u202e", "http://", "https://"):
        assert word not in page
    assert "&lt;script&gt;" in page
    assert page.startswith("<!doctype html>")
    told = audit_to_dict(escaping(), personal=True)
    assert "\\u001b" not in json.dumps(told)
    assert (told["verdict"], told["clean"], told["host_given"]) == ("unexplained", False, False)
    grammar = next(check for check in told["checks"] if check["name"] == "grammar")
    assert bytes.fromhex(grammar["findings"][0]["offending"]).startswith(b"POST /\x1b[2J")
    assert {key: value for key, value in told["fields"][0].items() if "bits" not in key} == {
        "name": "method",
        "count": 1,
        "distinct": 1,
    }


def test_the_audit_of_a_clean_poll_reads_so():
    """What was seen first, the verdict last."""
    audit = audit_capture(load_capture(FOLDER / "ours.pcap"), None, None)
    lines = shown(audit, personal=False).splitlines()
    assert lines[:2] == [str(ORIGIN), "format: pcap"]
    assert "host contacted: updates.hening.example (2 connections)" in lines
    assert "name asked for: updates.hening.example (2 times)" in lines
    one = audit_capture(load_capture(FOLDER / "ours.pcapng"), None, None)
    assert "contacted: updates.hening.example (1 connection)" in shown(one, personal=False)
    assert lines[-2].startswith("assumed host: updates.hening.example:8080")
    assert lines[-1] == "verdict: clean"
    assert "as the request table says" in "\n".join(lines)
    assert ">clean<" in render_page(audit, ORIGIN, personal=False).replace("\n", "")


@cache
def sample(name):
    """Audit a sample with a value that is known."""
    return audit_capture(load_capture(FOLDER / name), f"{HOST}:8080".encode(), IMEI)


def hostile():
    """Audit a capture whose every text is a trap."""
    data = f"GET /{TRAP} HTTP/1.1\r\n{TRAP}: {TRAP}\r\n\r\n".encode() * 60
    talk = Conversation(TRAP, TRAP.encode(), 0, 0.0, data, State.PLAIN, gaps=(TRAP,))
    return audit_capture(
        Capture(
            *("HAR", (talk,)),
            asked=(Asked(TRAP, TRAP.encode(), 1, TRAP.encode()),),
            loose=(Loose(TRAP, TRAP, 1, TRAP.encode()),),
            notes=(TRAP,),
        ),
        None,
        None,
        personal=True,
    )


AUDITS = (
    *(partial(sample, name) for name in ("ours.pcap", "redmi-1s-2014.pcap", "lineageos.har")),
    hostile,
)


def test_junit_has_the_usual_form():
    """Elements, attributes and counts are those of a report of `lab run`; a case per question."""
    for make in AUDITS:
        audit = make()
        text = render_audit_junit(audit, TRAP)
        assert all(sign.isprintable() or sign == "\n" for sign in text)
        root = ET.fromstring(text.encode())
        for element in root.iter():
            assert set(element.attrib) == ATTRIBUTES[element.tag]
            order = [CHILDREN[element.tag].index(child.tag) for child in element]
            assert order == sorted(order)
        (suite,) = root
        assert [case.get("name") for case in suite.iter("testcase")] == [
            question.name for question in audit.questions
        ]
        failed = [q for q in audit.questions if not q.passed]
        assert root.get("failures") == suite.get("failures") == str(len(failed))


def test_sarif_has_the_required_members():
    """Rules are questions, results are findings.

    What was not judged is no success: a failed case, and a run that did not come to its end.
    """
    for make in AUDITS:
        audit = make()
        run = check_run(render_audit_sarif(audit, TRAP))
        assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [
            question.name for question in audit.questions
        ]
        assert len(run["results"]) == sum(len(q.evidence) for q in audit.questions)
        assert run["properties"]["verdict"] == audit.verdict
        assert run["invocations"][0]["executionSuccessful"] is True
    audit = audit_capture(Capture("pcap", ()), None, None)
    assert check_run(render_audit_sarif(audit, "c"))["invocations"] == [
        {"executionSuccessful": False}
    ]
    assert 'failures="1"' in render_audit_junit(audit, "c")


def test_offsets_are_those_of_the_connection_and_values_are_covered():
    """Not those of the window that is shown; the same capture gives the same bytes."""
    talk = Conversation("c", b"", 0, 0.0, b"x" * 5000 + KNOWN["imei"].encode(), State.PLAIN)
    audit = audit_capture(Capture("octets", (talk,)), None, IMEI)
    sarif, junit = render_audit_sarif(audit, "c"), render_audit_junit(audit, "c")
    (result,) = [each for each in json.loads(sarif)["runs"][0]["results"] if "imei" in str(each)]
    region = result["locations"][0]["physicalLocation"]["region"]
    assert (region["byteOffset"], region["byteLength"]) == (5000, 15)
    assert "c, offset 5000\nimei as it is: [15 bytes, not shown]\n001368 " in junit
    assert "  2a 2a 2a" in junit
    for text in (sarif, junit):
        assert KNOWN["imei"] not in text
        assert KNOWN["imei"].encode().hex(" ") not in text
    again = audit_capture(Capture("octets", (talk,)), None, IMEI)
    assert (render_audit_sarif(again, "c"), render_audit_junit(again, "c")) == (sarif, junit)
