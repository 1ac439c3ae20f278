"""JUnit XML as Ant writes it and build servers read it, whatever it reports.

`testsuites`, `testsuite`, `testcase`, `failure`. There are no times, so that the same report gives
the same bytes. Texts must be printable.
"""

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.report.dump import dump


def open_suites(name: str) -> Element:
    """Begin a file."""
    return Element("testsuites", {"name": name})


def open_suite(root: Element, name: str, says: str) -> Element:
    """Add a suite and the question that it answers."""
    suite = SubElement(root, "testsuite", {"name": name})
    properties = SubElement(suite, "properties")
    SubElement(properties, "property", {"name": "claim", "value": says})
    return suite


def add_case(suite: Element, classname: str, name: str) -> Element:
    """Add a case, which has passed unless it is made to fail."""
    return SubElement(
        suite, "testcase", {"classname": f"lab.{classname}", "name": name, "time": "0"}
    )


def fail(case: Element, message: str, kind: str, text: str) -> None:
    """Mark a case as failed, with a sentence, a kind, and all details."""
    SubElement(case, "failure", {"message": message, "type": kind}).text = text or message


def _count(element: Element, counted: Element) -> None:
    cases = list(counted.iter("testcase"))
    element.set("tests", str(len(cases)))
    element.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    element.set("errors", "0")
    element.set("time", "0")


def encode_suites(root: Element) -> str:
    """Count what there is and write the file."""
    for suite in root:
        _count(suite, suite)
    _count(root, root)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def show_rows(data: bytes, finding: Finding, shift: int = 0) -> str:
    """Show bytes in rows of hexadecimal; those of the finding begin `shift` later than here."""
    return "\n".join(
        f"{row.offset + shift:06x}  {' '.join(cell.digits for cell in row.cells):<47}  "
        f"{''.join(cell.sign for cell in row.cells)}"
        for row in dump(data, finding.offset, finding.length)
    )
