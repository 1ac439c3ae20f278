"""The report as JUnit XML: a suite for each claim, a case for each oracle.

The format is that of Ant, which build servers read: `testsuites`, `testsuite`, `testcase`,
`failure`. Other reports use these functions, too. There are no times, so that the same report gives
the same bytes. Texts must be printable.
"""

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.result import CLAIMS, BatteryResult, Matrix, WallClockRow
from client_sim.lab.report.presentable import Presentable
from client_sim.lab.report.printable import dump


def render_junit(presentable: Presentable) -> str:
    """Render the claims, the kill matrix and the real clocks as test suites."""
    report = presentable.report
    root = open_suites(f"hening lab: {report.result.client}")
    for claim, statement in CLAIMS.items():
        batteries = report.result.of_claim(claim)
        if batteries:
            suite = open_suite(root, claim, statement)
            for battery in batteries:
                _add_battery(suite, claim, battery)
    if report.result.given_up:
        suite = open_suite(root, "programme", "Everything was asked")
        fail(add_case(suite, "programme", "given up"), report.result.given_up, "unproven", "")
    if report.matrix is not None:
        _add_matrix(root, report.matrix)
    if report.wall_clock:
        suite = open_suite(root, "real clocks", "Statistics on real clocks")
        for row in report.wall_clock:
            _add_wall_clock(suite, row)
    return encode_suites(root)


def _add_battery(suite: Element, claim: str, battery: BatteryResult) -> None:
    case = add_case(suite, claim, battery.oracle)
    if battery.passed:
        return
    details = [_describe(finding) for finding in battery.findings]
    if battery.smallest is not None:
        details.append(f"minimised: {battery.smallest.text}")
    first = battery.findings[0].explanation if battery.findings else "not kept"
    fail(case, f"{battery.count} found: {first}", "leak", "\n\n".join(details))


def _add_matrix(root: Element, matrix: Matrix) -> None:
    suite = open_suite(root, "kill matrix", "Every leak is found, by two independent oracles")
    rows = {family: [r for r in matrix.rows if r.family == family] for family in matrix.killers}
    for family, own in rows.items():
        case = add_case(suite, "kill matrix", family)
        survivors = [row.id for row in own if not row.killed_by]
        if survivors:
            fail(case, f"survived: {', '.join(survivors)}", "survivor", "")
        elif family in matrix.thin:
            fail(case, "fewer than two independent oracles, and no reason is given", "thin", "")
    for row in matrix.equivalents:
        case = add_case(suite, "harmless", row.id)
        if row in matrix.alarmed:
            fail(case, f"false alarm: {', '.join(row.killed_by)}", "false alarm", "")


def _add_wall_clock(suite: Element, row: WallClockRow) -> None:
    case = add_case(suite, "real clocks", row.test)
    if not row.passed:
        fail(case, f"p = {row.p_value:.3g}, below {row.alpha:.3g}", "timing", "")


def _describe(finding: Finding) -> str:
    field = f", {finding.field}" if finding.field else ""
    head = f"{finding.where}{field}, offset {finding.offset}\n{finding.explanation}"
    rows = [show_rows(finding.data, finding)]
    if finding.other is not None:
        rows += ["where the other has", show_rows(finding.other, finding)]
    return "\n".join([head, *rows])


def open_suites(name: str) -> Element:
    """Return the root element of a file."""
    return Element("testsuites", {"name": name})


def open_suite(root: Element, name: str, statement: str) -> Element:
    """Add a suite and the question that it answers."""
    suite = SubElement(root, "testsuite", {"name": name})
    properties = SubElement(suite, "properties")
    SubElement(properties, "property", {"name": "claim", "value": statement})
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
    """Add the counts of tests and failures, and return the file."""
    for suite in root:
        _count(suite, suite)
    _count(root, root)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def show_rows(data: bytes, finding: Finding, shift: int = 0) -> str:
    """Return bytes as rows of hexadecimal and text, with offsets that are larger by `shift`."""
    return "\n".join(
        f"{row.offset + shift:06x}  {' '.join(cell.digits for cell in row.cells):<47}  "
        f"{''.join(cell.sign for cell in row.cells)}"
        for row in dump(data, finding.offset, finding.length)
    )
