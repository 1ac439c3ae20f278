"""Which conditions a run crossed: a table on a terminal, and the same in sentences."""

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from client_sim.lab.programme.covering import Coverage, Crossings

_TOGETHER = {2: "pair", 3: "triple"}


def make_crossings_table(crossings: Crossings) -> Table:
    """Make a table with a row for each condition."""
    table = Table(title="Conditions that were crossed", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("condition")
    table.add_column("levels")
    for name, levels in crossings.factors.items():
        table.add_row(Text(name), Text(", ".join(levels)))
    return table


def describe_coverage(coverage: Coverage, crossings: Crossings) -> str:
    """Say in a sentence how many combinations a run had: `Pairs of levels: 12 of 12.`."""
    those = f"{_TOGETHER[coverage.together].capitalize()}s of levels"
    if len(coverage.of) < len(crossings.factors):
        those += f" of {', '.join(coverage.of)}"
    return f"{those}: {coverage.covered:,} of {coverage.all:,}."
