"""An audit for build servers and code hosts: JUnit XML and SARIF, as a report of `lab run` has."""

from typing import Any
from xml.etree.ElementTree import Element

from client_sim.lab.captures.audit import Audit
from client_sim.lab.captures.evidence import Evidence
from client_sim.lab.captures.question import Question
from client_sim.lab.captures.showing import printable
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.report.junit_form import (
    add_case,
    encode_suites,
    fail,
    open_suite,
    open_suites,
    show_rows,
)
from client_sim.lab.report.sarif_form import encode_log, encode_result


def render_audit_junit(audit: Audit, name: str) -> str:
    """Render an audit of the capture `name` as one suite, with a case for each question."""
    root = open_suites(f"hening lab audit: {printable(name)}")
    suite = open_suite(root, "audit", f"verdict: {audit.verdict}")
    for question in audit.questions:
        _add_question(suite, question)
    return encode_suites(root)


def render_audit_sarif(audit: Audit, name: str) -> str:
    """Render an audit of the capture `name` as one run, with a rule for each question."""
    capture = audit.capture
    return encode_log(
        f"hening lab audit, {capture.form}",
        (printable(name), "audit"),
        [_rule(question) for question in audit.questions],
        [
            _result(question, place, each)
            for place, question in enumerate(audit.questions)
            for each in question.evidence
        ],
        is_proven=not audit.verdict.startswith("not judged"),
        properties={
            "verdict": audit.verdict,
            "connections": len(capture.conversations),
            "requests": audit.requests,
            "octets": sum(len(talk.data) for talk in capture.conversations),
            "notes": list(map(printable, capture.notes)),
        },
    )


def _add_question(suite: Element, question: Question) -> None:
    case = add_case(suite, "audit", question.name)
    if question.passed:
        return
    said = [_describe(each) for each in question.evidence]
    if question.count > len(said):
        said.append(f"{question.count - len(said)} more")
    first = printable(question.evidence[0].finding.explanation)
    fail(case, f"{question.count} found: {first}", question.name, "\n\n".join(said))


def _describe(each: Evidence) -> str:
    finding = _escape(each.finding)
    head = f"{finding.where}, offset {each.offset}\n{finding.explanation}"
    rows = show_rows(finding.data, finding, each.offset - finding.offset)
    return f"{head}\n{rows}" if rows else head


def _rule(question: Question) -> dict[str, Any]:
    return {
        "id": question.name,
        "shortDescription": {"text": question.asks},
        "defaultConfiguration": {"level": "error"},
        "properties": {"cases": question.cases, "count": question.count},
    }


def _result(question: Question, place: int, each: Evidence) -> dict[str, Any]:
    finding = _escape(each.finding)
    message = f"{finding.where}: {finding.explanation}"
    return encode_result(question.name, place, message, finding, each.offset, each.length)


def _escape(finding: Finding) -> Finding:
    """Escape unprintable captured characters; what is personal is covered already."""
    where, explanation = printable(finding.where), printable(finding.explanation)
    return Finding(where, explanation, finding.data, finding.offset, finding.length)
