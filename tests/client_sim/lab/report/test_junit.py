"""JUnit XML has the elements and attributes that build servers read, for any bytes."""

from dataclasses import replace
from xml.etree import ElementTree as ET

from client_sim.lab.report.junit import render_junit
from client_sim.lab.report.presentable import present
from client_sim.lab.report.redaction import NoRedaction
from tests.cases import case

# The elements and attributes of the schema of Ant and Jenkins that are used here.
CHILDREN = {
    "testsuites": ["testsuite"],
    "testsuite": ["properties", "testcase"],
    "properties": ["property"],
    "property": [],
    "testcase": ["failure"],
    "failure": [],
}
ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "time"},
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"classname", "name", "time"},
    "failure": {"message", "type"},
}


def check_form(text):
    """Check the elements and attributes of a file, and return its root."""
    root = ET.fromstring(text.encode())
    assert root.tag == "testsuites"
    for element in root.iter():
        assert set(element.attrib) == ATTRIBUTES[element.tag]
        order = [CHILDREN[element.tag].index(child.tag) for child in element]
        assert order == sorted(order)
    return root


def test_form(reports):
    """Elements and attributes are those of the schema, and the numbers add up."""
    for name in ("clean", "leaking", "hostile"):
        with case(name):
            root = check_form(render_junit(getattr(reports, name)))
            for counted in (root, *root):
                cases = list(counted.iter("testcase"))
                assert counted.get("tests") == str(len(cases))
                failed = [case for case in cases if case.find("failure") is not None]
                assert counted.get("failures") == str(len(failed))


def test_suites_are_claims_and_cases_are_oracles(reports):
    """The kill matrix and the real clocks have their own suites."""
    root = ET.fromstring(render_junit(reports.clean).encode())
    suites = {suite.get("name"): [c.get("name") for c in suite.iter("testcase")] for suite in root}
    assert suites == {
        "N1": ["personal"],
        "N2": ["fleet"],
        "N3": ["server-state"],
        "N4": ["timing"],
        "guard": ["grammar", "canaries"],
        "kill matrix": ["a value in the query", "an echo", "reader"],
        "real clocks": ["KS"],
    }
    assert root.get("failures") == "0"


def test_failure_shows_the_bytes(reports):
    """It also shows the other run's bytes and the smallest scenario."""
    root = ET.fromstring(render_junit(reports.leaking).encode())
    failure = root.find("testsuite[@name='N1']/testcase[@name='personal']/failure")
    assert failure.get("message") == "1 found: owner 2 differs"
    assert "imei=" not in failure.text.split("where the other")[1]
    assert "  2a 2a 2a 2a 2a 2a 2a 2a 2a 2a 2a 26 65 6e 64" in failure.text
    assert "where the other has" in failure.text
    assert "It still shows with two polls." in failure.text


def test_survivors_and_incomplete_runs_are_failures(reports):
    """A survivor, a thin family, a false alarm and an incomplete examination are failures."""
    root = ET.fromstring(render_junit(reports.hostile).encode())
    suite = root.find("testsuite[@name='kill matrix']")
    kinds = {
        c.get("name"): c.find("failure").get("type") for c in suite if c.find("failure") is not None
    }
    assert kinds == {"an echo": "thin", "a whisper": "survivor", "reader": "false alarm"}
    raw = reports.raw["clean"]
    part = replace(raw, result=replace(raw.result, given_up="the client did not come back"))
    root = ET.fromstring(render_junit(present(part, NoRedaction())).encode())
    (case,) = [case for case in root.iter("testcase") if case.find("failure") is not None]
    assert case.find("failure").get("message") == "the client did not come back"
