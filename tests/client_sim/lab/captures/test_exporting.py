"""An audit as JUnit XML and SARIF: the usual forms, for any bytes of a stranger."""

import json
from functools import cache
from xml.etree import ElementTree as ET

import pytest

from client_sim.lab.captures.audit import audit_capture
from client_sim.lab.captures.exporting import render_audit_junit, render_audit_sarif
from client_sim.lab.captures.known import decode_known
from client_sim.lab.captures.loading import load_capture
from client_sim.lab.captures.seen import Asked, Capture, Conversation, Loose, State
from fixtures.captures import FOLDER, HOST, KNOWN
from tests.client_sim.lab.report.test_junit import ATTRIBUTES, CHILDREN
from tests.client_sim.lab.report.test_sarif import check_run

KNOWN_FILE = decode_known((FOLDER / "known.json").read_bytes())
IMEI = decode_known(json.dumps({"imei": KNOWN["imei"]}).encode())
TRAP = "\x1b[2J\x07</td><script>alert(1)</script>]]>&\x00\u202e\ufffe'\""


@cache
def sample(name):
    """Audit a sample with everything that is known."""
    return audit_capture(load_capture(FOLDER / name), f"{HOST}:8080".encode(), KNOWN_FILE)


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


AUDITS = {
    "clean": lambda: sample("ours.pcap"),
    "leak": lambda: sample("redmi-1s-2014.pcap"),
    "unexplained": lambda: sample("lineageos.har"),
    "hostile": hostile,
}


@pytest.mark.parametrize("name", AUDITS)
def test_junit_has_the_usual_form(name):
    """Elements, attributes and counts are those of a report of `lab run`; a case per question."""
    audit = AUDITS[name]()
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


@pytest.mark.parametrize("name", AUDITS)
def test_sarif_has_the_required_members(name):
    """Rules are questions, results are findings, and what was not judged is no success."""
    audit = AUDITS[name]()
    run = check_run(render_audit_sarif(audit, TRAP))
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [
        question.name for question in audit.questions
    ]
    assert len(run["results"]) == sum(len(q.evidence) for q in audit.questions)
    assert run["properties"]["verdict"] == audit.verdict
    assert run["invocations"][0]["executionSuccessful"] is True


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


def test_what_was_not_judged_is_no_success():
    """A build server sees a failed case, a code host a run that did not come to its end."""
    audit = audit_capture(Capture("pcap", ()), None, None)
    assert check_run(render_audit_sarif(audit, "c"))["invocations"] == [
        {"executionSuccessful": False}
    ]
    assert 'failures="1"' in render_audit_junit(audit, "c")
