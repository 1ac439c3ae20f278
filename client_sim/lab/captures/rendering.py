"""Renderers of an audit: terminal, JSON, HTML, JUnit XML and SARIF. All captured text is escaped.

The page is self-contained: no script, no external style sheet, no image. JUnit XML and SARIF have
the same form as a report of `lab run`.
"""

from collections.abc import Iterator
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import Element

from rich.console import Console
from rich.table import Table
from rich.text import Text

from client_sim.lab.captures.audit import Audit, describe_outcome
from client_sim.lab.captures.evidence import Evidence, redact
from client_sim.lab.captures.judges import Question
from client_sim.lab.captures.requests import FieldRow
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.report.junit import (
    add_case,
    encode_suites,
    fail,
    open_suite,
    open_suites,
    show_rows,
)
from client_sim.lab.report.printable import dump, print_rows
from client_sim.lab.report.printable import printable as escape
from client_sim.lab.report.sarif import encode_log, encode_result
from client_sim.pages.page import Origin, make_environment

_SHOWN: Final = 5  # findings of a question on a terminal; JSON and the page have more
_FIELDS: Final = 40  # rows in the table of fields on a terminal
_NAME: Final = 120  # characters of a captured name

printable: Final = partial(escape, most=4 * _NAME)

_TEMPLATE: Final = make_environment(Path(__file__).parent / "templates").get_template("audit.html")


def show_name(name: bytes, *, personal: bool) -> str:
    """Return a captured name, redacted if it looks like an identifier.

    Network addresses are shown, because they do not identify the owner.
    """
    name = name[:_NAME]
    return printable(name if personal or _is_address(name) else redact(name, ()))


def _is_address(name: bytes) -> bool:
    host = name.decode("latin-1").rpartition(":")
    try:
        ip_address(host[0] if host[0].count(":") == 0 and host[0] else host[2])
    except ValueError:
        return False
    return True


def show_bits(row: FieldRow) -> str:
    """Return the maximum of bits that a field can reveal, as text."""
    return "as the request table says" if row.most is None else f"{row.most:.0f}"


def _count_noun(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def list_counts(audit: Audit, *, personal: bool) -> Iterator[tuple[str, str]]:
    """Yield the facts of the capture as labels and values."""
    capture = audit.capture
    yield "format", capture.form
    if capture.frames:
        yield "frames", str(capture.frames)
    yield "connections", str(len(capture.conversations))
    yield "readable requests", str(audit.requests)
    for name, count in audit.hosts.most_common(_FIELDS):
        yield (
            "host contacted",
            f"{show_name(name, personal=personal)} ({_count_noun(count, 'connection')})",
        )
    for name, count in audit.names.most_common(_FIELDS):
        yield (
            "name asked for",
            f"{show_name(name, personal=personal)} ({_count_noun(count, 'time')})",
        )
    for disclosure in audit.disclosures:
        yield (
            f"{disclosure.row} reveals",
            f"{disclosure.reveals} ({_count_noun(disclosure.count, 'request')})",
        )
    for label, count in capture.ignored.items():
        yield "does not leave the link, not judged", f"{label} ({_count_noun(count, 'frame')})"
    for label, count in capture.others.items():
        yield "neither to nor from the phone, not judged", f"{label} ({count})"


def audit_to_dict(audit: Audit, *, personal: bool) -> dict[str, Any]:
    """Return the audit as JSON values; bytes are hexadecimal."""
    return {
        "verdict": audit.verdict,
        "clean": audit.is_clean,
        "dialects": [
            {"row": disclosure.row, "requests": disclosure.count, "reveals": disclosure.reveals}
            for disclosure in audit.disclosures
        ],
        "format": audit.capture.form,
        "host": None if audit.host is None else show_name(audit.host, personal=personal),
        "host_given": audit.is_host_given,
        "frames": audit.capture.frames,
        "connections": len(audit.capture.conversations),
        "requests": audit.requests,
        "octets": sum(len(conversation.data) for conversation in audit.capture.conversations),
        "hosts": {show_name(name, personal=personal): n for name, n in audit.hosts.items()},
        "names": {show_name(name, personal=personal): n for name, n in audit.names.items()},
        "passed": dict(audit.capture.ignored),
        "others": dict(audit.capture.others),
        "notes": list(audit.capture.notes),
        "checks": [_question_to_dict(question) for question in audit.questions],
        "fields": [
            {
                "name": show_name(row.name.encode(), personal=personal),
                "count": row.count,
                "distinct": row.distinct,
                "bits_measured": round(row.measured, 3),
                "bits_at_most": None if row.most is None else round(row.most, 1),
            }
            for row in audit.fields
        ],
    }


def _question_to_dict(question: Question) -> dict[str, Any]:
    return {
        "name": question.name,
        "question": question.text,
        "passed": question.passed,
        "cases": question.cases,
        "count": question.count,
        "findings": [
            {
                "where": printable(each.finding.where),
                "explanation": printable(each.finding.explanation),
                "offset": each.offset,
                "length": each.length,
                "offending": each.finding.offending().hex(),
            }
            for each in question.evidence
        ],
    }


def render_audit(audit: Audit, console: Console, origin: Origin, *, personal: bool) -> None:
    """Print the facts of the capture, the findings, the fields, and last the verdict."""
    console.print(Text(str(origin), "dim"), soft_wrap=True)
    for label, value in list_counts(audit, personal=personal):
        console.print(Text(f"{label}: {value}"), soft_wrap=True)
    for note in audit.capture.notes:
        console.print(Text(f"note: {note}"), soft_wrap=True)
    for question in audit.questions:
        for each in question.evidence[:_SHOWN]:
            _render_evidence(question.name, each, console)
        if question.count > _SHOWN:
            console.print(Text(f"{question.name}: {question.count - _SHOWN} more", "bold"))
    console.print()
    _render_fields(audit, console, personal=personal)
    for question in audit.questions:
        result = "passed" if question.passed else f"{question.count} found"
        console.print(Text(f"{question.name}: {result}"), soft_wrap=True)
    if audit.host is not None and not audit.is_host_given:
        host = show_name(audit.host, personal=personal)
        console.print(Text(f"assumed host: {host}, the first one seen"), soft_wrap=True)
    style = "green" if audit.is_clean else "bold red"
    console.print(Text(f"verdict: {audit.verdict}", style), soft_wrap=True)


def _render_evidence(name: str, each: Evidence, console: Console) -> None:
    finding = each.finding
    console.print()
    title = f"{name}: {printable(finding.where)}, offset {each.offset}"
    console.print(Text(title, "bold"), soft_wrap=True)
    console.print(Text(f"  {printable(finding.explanation)}"), soft_wrap=True)
    rows = dump(finding.data, finding.offset, finding.length)
    print_rows(rows, console, each.offset - finding.offset)


def _render_fields(audit: Audit, console: Console, *, personal: bool) -> None:
    table = Table("field", title="fields", title_justify="left")
    for name in ("times", "values", "bits measured", "bits at most"):
        table.add_column(name, justify="right")
    for row in audit.fields[:_FIELDS]:
        table.add_row(
            Text(show_name(row.name.encode(), personal=personal)),
            str(row.count),
            str(row.distinct),
            f"{row.measured:.2f}",
            show_bits(row),
        )
    if audit.fields:
        console.print(table)
    if len(audit.fields) > _FIELDS:
        console.print(Text(f"{len(audit.fields) - _FIELDS} fields more: see --json"))


def render_page(audit: Audit, origin: Origin, *, personal: bool) -> str:
    """Render the audit as a self-contained page."""
    return _TEMPLATE.render(
        audit=audit,
        origin=origin,
        outcome=describe_outcome(audit),
        personal=personal,
        counts=tuple(list_counts(audit, personal=personal)),
        name=lambda name: show_name(name, personal=personal),
        bits=show_bits,
        printable=printable,
        dump=dump,
    )


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
            "octets": sum(len(conversation.data) for conversation in capture.conversations),
            "notes": list(map(printable, capture.notes)),
        },
    )


def _add_question(suite: Element, question: Question) -> None:
    case = add_case(suite, "audit", question.name)
    if question.passed:
        return
    result = [_describe(each) for each in question.evidence]
    if question.count > len(result):
        result.append(f"{question.count - len(result)} more")
    first = printable(question.evidence[0].finding.explanation)
    fail(case, f"{question.count} found: {first}", question.name, "\n\n".join(result))


def _describe(each: Evidence) -> str:
    finding = _escape(each.finding)
    head = f"{finding.where}, offset {each.offset}\n{finding.explanation}"
    rows = show_rows(finding.data, finding, each.offset - finding.offset)
    return f"{head}\n{rows}" if rows else head


def _rule(question: Question) -> dict[str, Any]:
    return {
        "id": question.name,
        "shortDescription": {"text": question.text},
        "defaultConfiguration": {"level": "error"},
        "properties": {"cases": question.cases, "count": question.count},
    }


def _result(question: Question, place: int, each: Evidence) -> dict[str, Any]:
    finding = _escape(each.finding)
    message = f"{finding.where}: {finding.explanation}"
    return encode_result(question.name, place, message, finding, each.offset, each.length)


def _escape(finding: Finding) -> Finding:
    """Escape unprintable captured characters; personal values are already redacted."""
    where, explanation = printable(finding.where), printable(finding.explanation)
    return Finding(where, explanation, finding.data, finding.offset, finding.length)
