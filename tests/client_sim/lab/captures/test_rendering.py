"""An audit of hostile bytes is shown without control characters or markup in every form."""

import io
import json
from functools import cache, partial

from rich.console import Console

from client_sim.lab.captures.audit import audit_capture
from client_sim.lab.captures.capture import Capture, Conversation, DnsQuestion, OtherTraffic, State
from client_sim.lab.captures.known_values import decode_known
from client_sim.lab.captures.loading import load_capture
from client_sim.lab.captures.rendering import (
    audit_to_dict,
    printable,
    render_audit,
    render_audit_junit,
    render_audit_sarif,
    render_page,
)
from fixtures.captures import FOLDER, HOST, KNOWN
from tests.client_sim.lab.report.test_junit import check_form
from tests.client_sim.lab.report.test_sarif import check_run
from tests.client_sim.pages.test_page import ORIGIN

HOSTILE = (
    b"POST /\x1b[2J<script>alert(1)</script>[red]x[/red] HTTP/1.1\r\n"
    b"\x1b]0;title\x07<img src=x>: \xe2\x80\xae\x1b[31m\r\nHost: <b>h\x1b[0m\r\n\r\n"
)
IMEI = decode_known(json.dumps({"imei": KNOWN["imei"]}).encode())
TRAP = "\x1b[2J\x07</td><script>alert(1)</script>]]>&\x00\u202e\ufffe'\""


def escaping():
    """Audit a capture with control characters and markup."""
    where = "connection 1, to \x1b[31m<i>"
    talk = Conversation(
        where, b"198.51.100.10 8080 plain", 0, 0.0, HOSTILE, State.PLAIN, name=b"<u>\x1b[5mh"
    )
    dns_questions = (DnsQuestion("q", b"\x1b[2J<script>", 1, b""),)
    return audit_capture(
        Capture("HAR", (talk,), dns_questions=dns_questions), None, None, personal=True
    )


def show(audit, personal=True):
    """Return the output on a terminal."""
    out = io.StringIO()
    render_audit(audit, Console(file=out, width=120), ORIGIN, personal=personal)
    return out.getvalue()


def test_terminal_output_has_no_control_characters():
    """Only line ends are kept; markup is text, and a long text is cut."""
    text = show(escaping())
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "\\x1b[2J" in text
    assert "[red]x[/red]" in text
    assert printable("a" * 10_000_000) == "a" * 480 + "…"
    assert printable(b"\x1b" * 300) == ("\\x1b" * 300)[:480] + "…"
    assert printable("a" * 480) == "a" * 480


def test_page_and_json_are_escaped():
    """A page refers to nothing else; JSON has bytes as hexadecimal digits."""
    page = render_page(escaping(), ORIGIN, personal=True)
    for word in ("<script", "<img", "<b>", "<u>", "<i>", "\x1b", "\u202e", "http://", "https://"):
        assert word not in page
    assert "&lt;script&gt;" in page
    assert page.startswith("<!doctype html>")
    data = audit_to_dict(escaping(), personal=True)
    assert "\\u001b" not in json.dumps(data)
    assert (data["verdict"], data["clean"], data["host_given"]) == ("unexplained", False, False)
    grammar = next(check for check in data["checks"] if check["name"] == "grammar")
    assert bytes.fromhex(grammar["findings"][0]["offending"]).startswith(b"POST /\x1b[2J")
    assert {key: value for key, value in data["fields"][0].items() if "bits" not in key} == {
        "name": "method",
        "count": 1,
        "distinct": 1,
    }


def test_terminal_output_of_a_clean_poll():
    """The output begins with the file and ends with the verdict."""
    audit = audit_capture(load_capture(FOLDER / "ours.pcap"), None, None)
    lines = show(audit, personal=False).splitlines()
    assert lines[:2] == [str(ORIGIN), "format: pcap"]
    assert "host contacted: updates.hening.example (2 connections)" in lines
    assert "name asked for: updates.hening.example (2 times)" in lines
    one = audit_capture(load_capture(FOLDER / "ours.pcapng"), None, None)
    assert "contacted: updates.hening.example (1 connection)" in show(one, personal=False)
    assert lines[-2].startswith("assumed host: updates.hening.example:8080")
    assert lines[-1] == "verdict: clean"
    assert "as the request table says" in "\n".join(lines)
    assert ">clean<" in render_page(audit, ORIGIN, personal=False).replace("\n", "")


@cache
def sample(name):
    """Audit a sample with a known value."""
    return audit_capture(load_capture(FOLDER / name), f"{HOST}:8080".encode(), IMEI)


def hostile():
    """Audit a capture with hostile text in every field."""
    data = f"GET /{TRAP} HTTP/1.1\r\n{TRAP}: {TRAP}\r\n\r\n".encode() * 60
    talk = Conversation(TRAP, TRAP.encode(), 0, 0.0, data, State.PLAIN, gaps=(TRAP,))
    return audit_capture(
        Capture(
            *("HAR", (talk,)),
            dns_questions=(DnsQuestion(TRAP, TRAP.encode(), 1, TRAP.encode()),),
            other_traffic=(OtherTraffic(TRAP, TRAP, 1, TRAP.encode()),),
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


def test_junit_form():
    """It has the form of a report of `lab run`, and a case for each question."""
    for make in AUDITS:
        audit = make()
        text = render_audit_junit(audit, TRAP)
        assert all(char.isprintable() or char == "\n" for char in text)
        root = check_form(text)
        (suite,) = root
        assert [case.get("name") for case in suite.iter("testcase")] == [
            question.name for question in audit.questions
        ]
        failed = [q for q in audit.questions if not q.passed]
        assert root.get("failures") == suite.get("failures") == str(len(failed))


def test_sarif_form():
    """Rules are questions, and results are findings.

    If something was not judged, a case fails and the run is not successful.
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


def test_offsets_and_redaction_of_sarif_and_junit():
    """Offsets are those of the connection; equal captures give equal bytes."""
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
