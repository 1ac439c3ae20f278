"""The verdict on a terminal and as JSON."""

from collections.abc import Iterable
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.verdict import Check, Verdict
from client_sim.lab.report.dump import Row, dump

_SHOWN: Final = 3  # findings per check on a terminal; JSON and HTML have more


def verdict_to_dict(verdict: Verdict) -> dict[str, Any]:
    """Give the verdict as values that JSON has; octets are hexadecimal."""
    return {
        "client": verdict.client,
        "clean": verdict.is_clean,
        "scenario": verdict.scenario,
        "personas": verdict.personas,
        "runs": verdict.runs,
        "polls": verdict.polls,
        "octets": verdict.octets,
        "outcomes": list(verdict.sample.outcomes),
        "checks": [_check_to_dict(check) for check in verdict.checks],
        "sample": [
            {"phase": c.phase, "target": c.target.decode("latin-1"), "octets": c.octets.hex()}
            for c in verdict.sample.connections()
        ],
    }


def _check_to_dict(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "question": check.question,
        "passed": check.passed,
        "cases": check.cases,
        "count": check.count,
        "findings": [finding_to_dict(finding) for finding in check.findings],
    }


def finding_to_dict(finding: Finding) -> dict[str, Any]:
    """Give one finding as values that JSON has."""
    return {
        "where": finding.where,
        "explanation": finding.explanation,
        "offset": finding.offset,
        "length": finding.length,
        "offending": finding.offending().hex(),
        "octets": finding.octets.hex(),
        "other": None if finding.other is None else finding.other.hex(),
    }


def render_terminal(verdict: Verdict, console: Console) -> None:
    """Print the verdict: one line per check, then each finding with its octets."""
    table = Table(title=Text(f"{verdict.client}: {verdict.scenario}"), title_justify="left")
    table.add_column("check")
    table.add_column("question", ratio=1)
    table.add_column("cases", justify="right")
    table.add_column("result")
    for check in verdict.checks:
        result = Text("passed", "green") if check.passed else Text(f"{check.count} found", "red")
        table.add_row(check.name, check.question, str(check.cases), result)
    console.print(table)
    for check in verdict.checks:
        render_findings(check.name, check.findings[:_SHOWN], console)
        if check.count > _SHOWN:
            console.print(Text(f"{check.name}: {check.count - _SHOWN} more", "bold"))
    for number, outcome in enumerate(verdict.sample.outcomes, 1):
        console.print(Text(f"poll {number} of the first run decided: {outcome}"), soft_wrap=True)
    summary = (
        f"{verdict.runs} runs of {verdict.personas} owners, {verdict.polls} polls, "
        f"{verdict.octets} octets: "
    )
    if verdict.is_clean:
        tail = Text("nothing about the owner left the phone.", "green")
    else:
        tail = Text(f"{verdict.word.upper()} ({', '.join(verdict.failed())}).", "bold red")
    console.print(Text(summary) + tail, soft_wrap=True)


def render_findings(name: str, findings: Iterable[Finding], console: Console) -> None:
    """Print findings with a dump of the octets that each is about."""
    for finding in findings:
        console.print()
        console.print(
            Text(f"{name}: {finding.where}, offset {finding.offset}", "bold"), soft_wrap=True
        )
        console.print(Text(f"  {finding.explanation}"), soft_wrap=True)
        _print_rows(dump(finding.octets, finding.offset, finding.length), console)
        if finding.other is not None:
            console.print(Text("  where the other has"))
            _print_rows(dump(finding.other, finding.offset, finding.length), console)


def _print_rows(rows: Iterable[Row], console: Console) -> None:
    for row in rows:
        line = Text(f"  {row.offset:06x}  ")
        for cell in row.cells:
            line.append(cell.digits, "reverse" if cell.marked else "")
            line.append(" ")
        line.append("   " * (16 - len(row.cells)) + " ")
        for cell in row.cells:
            line.append(cell.sign, "reverse" if cell.marked else "dim")
        console.print(line, soft_wrap=True)
