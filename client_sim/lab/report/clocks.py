"""The statistics of real clocks on a terminal."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from client_sim.lab.programme.result import WallClockRow
from client_sim.lab.report.saying import say


def render_clock(rows: tuple[WallClockRow, ...], family: float, console: Console) -> None:
    """Print the tests, and whether they distinguish two owners."""
    console.print(make_clock_table(rows))
    found = [row.test for row in rows if not row.passed]
    if found:
        say(console, f"TWO OWNERS CAN BE TOLD APART by {', '.join(found)}.", "bold red")
    else:
        said = f"Two owners cannot be told apart by {len(rows)} tests (alpha {family:g} in all)."
        say(console, said, "bold green")


def make_clock_table(rows: tuple[WallClockRow, ...]) -> Table:
    """Make a table with a row for each test."""
    table = Table(title="Real clocks", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("test")
    for name in ("samples", "p", "alpha"):
        table.add_column(name, justify="right")
    table.add_column("would see")
    for row in rows:
        style = "" if row.passed else "bold red"
        table.add_row(
            Text(row.test, style),
            f"{row.samples:,}",
            Text(f"{row.p_value:.2g}", style),
            f"{row.alpha:.1g}",
            Text(row.smallest_effect),
        )
    return table
