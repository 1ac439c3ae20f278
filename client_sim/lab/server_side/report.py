"""The verdict on a server, on a terminal and as JSON."""

from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from client_sim.lab.report.findings import render_findings
from client_sim.lab.report.json import finding_to_dict
from client_sim.lab.server_side.order import ServerVerdict

_SHOWN: Final = 5  # findings of a check on a terminal; JSON has more


def server_to_dict(verdict: ServerVerdict) -> dict[str, Any]:
    """Return the verdict as values that JSON has; bytes are hexadecimal."""
    return {
        "server": verdict.host,
        "clean": verdict.is_clean,
        "positions": verdict.positions,
        "requests": verdict.requests,
        "files": verdict.files,
        "checks": [
            {
                "name": check.name,
                "question": check.question,
                "passed": check.passed,
                "cases": check.cases,
                "count": check.count,
                "findings": [finding_to_dict(finding) for finding in check.findings],
            }
            for check in verdict.checks
        ],
        "not_looked_at": list(verdict.unseen),
    }


def render_server(verdict: ServerVerdict, console: Console) -> None:
    """Print one line per check, then findings with their bytes, then what was not examined."""
    table = Table(title=Text(f"server {verdict.host}"), title_justify="left")
    table.add_column("check")
    table.add_column("question", ratio=1)
    table.add_column("cases", justify="right")
    table.add_column("result")
    for check in verdict.checks:
        if check.cases == 0:
            result = Text("not asked", "yellow")
        else:
            result = (
                Text("passed", "green") if check.passed else Text(f"{check.count} found", "red")
            )
        table.add_row(check.name, check.question, str(check.cases), result)
    console.print(table)
    for check in verdict.checks:
        render_findings(check.name, check.findings[:_SHOWN], console)
        if check.count > _SHOWN:
            console.print(Text(f"{check.name}: {check.count - _SHOWN} more", "bold"))
    console.print()
    for sentence in verdict.unseen:
        console.print(Text(f"Not looked at: {sentence}"), soft_wrap=True)
    summary = f"{verdict.positions} positions, {verdict.requests} requests, {verdict.files} files: "
    if verdict.is_clean:
        tail = Text("nothing of a request was kept.", "green")
    else:
        tail = Text(f"LEAK ({', '.join(verdict.failed())}).", "bold red")
    console.print(Text(summary) + tail, soft_wrap=True)
