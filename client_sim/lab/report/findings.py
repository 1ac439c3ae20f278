"""Findings on a terminal: where, what, and the bytes, with the offending ones marked."""

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.report.dump import Row, dump
from client_sim.lab.report.saying import say


def render_findings(name: str, findings: Iterable[Finding], console: Console) -> None:
    """Print findings, which must be presentable, each with a dump of what it is about."""
    for finding in findings:
        console.print()
        field = f", {finding.field}" if finding.field else ""
        say(console, f"{name}: {finding.where}{field}, offset {finding.offset}", "bold")
        say(console, f"  {finding.explanation}")
        print_rows(dump(finding.data, finding.offset, finding.length), console)
        if finding.other is not None:
            console.print(Text("  where the other has"))
            print_rows(dump(finding.other, finding.offset, finding.length), console)


def print_rows(rows: Iterable[Row], console: Console, shift: int = 0) -> None:
    """Print a dump, with offsets that begin `shift` later."""
    for row in rows:
        line = Text(f"  {row.offset + shift:06x}  ")
        for cell in row.cells:
            line.append(cell.digits, "reverse" if cell.marked else "")
            line.append(" ")
        line.append("   " * (16 - len(row.cells)) + " ")
        for cell in row.cells:
            line.append(cell.sign, "reverse" if cell.marked else "dim")
        console.print(line, soft_wrap=True)
