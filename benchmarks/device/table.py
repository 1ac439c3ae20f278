"""Tables for a terminal and for docs/PERFORMANCE.md."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.device.report import Claim, Report


def number(value: float | None) -> str:
    """Format a number with about three significant digits."""
    if value is None:
        return ""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def verdict(claim: Claim) -> str:
    """Return `holds`, `missed` or `not measured`."""
    return {True: "holds", False: "missed", None: "not measured"}[claim.holds]


def print_report(console: Console, report: Report) -> None:
    """Print a scenario's table."""
    table = Table(title=report.title, title_justify="left")
    table.add_column("", no_wrap=True)
    for column in report.columns:
        table.add_column(column, justify="right")
    for name, cells in report.rows:
        table.add_row(name, *map(number, cells))
    console.print(table)
    if report.note:
        console.print(report.note)


def print_claims(console: Console, reports: Sequence[Report]) -> None:
    """Print the goals of all reports and the measured values."""
    table = Table(title="Goals", title_justify="left")
    table.add_column("must hold", no_wrap=True)
    for column in ("seen", "goal", "", "verdict"):
        table.add_column(column, justify="right")
    for report in reports:
        for claim in report.claims:
            sign = "≥" if claim.at_least else "≤"
            colour = {True: "green", False: "red", None: "yellow"}[claim.holds]
            goal = f"{sign} {number(claim.goal)}"
            said = f"[{colour}]{verdict(claim)}"
            table.add_row(claim.what, number(claim.value), goal, claim.unit, said)
    console.print(table)
