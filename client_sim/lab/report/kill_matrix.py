"""The kill matrix, which shows which oracle finds which leak, on a terminal and as shaded cells."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Final

from rich.console import Console
from rich.text import Text

from client_sim.lab.programme.result import Matrix, MatrixRow
from client_sim.lab.report.presentable import present_matrix
from client_sim.lab.report.printable import say

_CELL: Final = 2  # columns of a cell
_NARROWEST: Final = 16
_WIDEST: Final = 44  # columns of a name
_SHADES: Final = ("·", "░", "▒", "▓", "█")
_ASCII: Final = (".", "-", "+", "*", "#")
_NOT_EXAMINED: Final = " "


def render_matrix(matrix: Matrix, console: Console) -> None:
    """Print a row for each family, shaded by the share of leaks found, and a row for each leak."""
    matrix = present_matrix(matrix)
    shades = _ASCII if console.options.ascii_only else _SHADES
    # The no-break space keeps a number next to its name when the text is wrapped.
    named = (f"{number}\N{NO-BREAK SPACE}{o}" for number, o in enumerate(matrix.oracles, 1))
    console.print(Text(fill("  ".join(named), console.width)), soft_wrap=True)
    say(console, f"{shades[0]} examined, nothing found; an empty cell was not examined", "dim")
    width = max(_NARROWEST, min(_WIDEST, console.width - _CELL * len(matrix.oracles)))
    numbers = [f"{number:2}" for number in range(1, len(matrix.oracles) + 1)]
    for place, title in enumerate(("", "leaks, by family")):
        digits = "".join(f"{number[place]:>{_CELL}}" for number in numbers)
        _print_row(Text(_fit(title, width) + digits, "dim"), console)
    for family in matrix.killers:
        rows = [row for row in matrix.rows if row.family == family]
        heading = Text(_fit(family, width), "bold")
        _print_row(heading + _cells(rows, matrix.oracles, shades), console)
        for row in rows:
            name = Text(_fit(f"  {row.id}", width), "" if row.killed_by else "bold red")
            _print_row(name + _cells([row], matrix.oracles, shades), console)
    if matrix.equivalents:
        _print_row(Text("harmless", "bold"), console)
    for row in matrix.equivalents:
        name = Text(_fit(f"  {row.id}", width))
        _print_row(name + _cells([row], matrix.oracles, shades), console)
    console.print()
    summarise_matrix(matrix, console)


def summarise_matrix(matrix: Matrix, console: Console) -> None:
    """Print how many leaks were found, and all deficiencies of the instrument."""
    found = len(matrix.rows) - len(matrix.survivors)
    sentence = f"{found} of {len(matrix.rows)} leaks of {len(matrix.killers)} families found"
    style = "green" if matrix.is_good else "bold red"
    say(console, f"{sentence} ({matrix.score:.1%}).", style)
    for row in matrix.survivors:
        say(console, f"SURVIVED {row.id} ({row.family}): {row.leak}", "bold red")
    for family in matrix.found_by_one_method:
        reason = matrix.argued.get(family)
        by = ", ".join(matrix.killers[family]) or "nothing"
        if reason is None:
            sentence = f"THIN {family}: found by {by}, fewer than two ways, and no reason is given"
            say(console, sentence, "bold red")
        else:
            say(console, f"{family}: found by {by} alone; {reason}")
    for row in matrix.alarmed:
        say(console, f"FALSE ALARM at {row.id}: {', '.join(row.killed_by)}", "bold red")


def _cells(rows: Sequence[MatrixRow], oracles: Sequence[str], shades: Sequence[str]) -> Text:
    cells = Text()
    for cell in cells_of(rows, oracles):
        shade = shades[cell.shade] if cell.total else _NOT_EXAMINED
        cells.append(f"{shade:>{_CELL}}", "green" if cell.found else "dim")
    return cells


def _fit(name: str, width: int) -> str:
    fitted = Text(name)
    fitted.truncate(width, overflow="ellipsis", pad=True)
    return fitted.plain


def _print_row(row: Text, console: Console) -> None:
    console.print(row, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Cell:
    """The number of leaks in a row that an oracle found, out of `total` that it examined.

    `shade` is 0 for none to 4 for all. If `total` is 0, the oracle examined none of them.
    """

    oracle: str
    found: int
    total: int
    shade: int


@dataclass(frozen=True, slots=True)
class HeatRow:
    """A row for a family or a leak; `note` says what is wrong with it, or why it is accepted."""

    name: str
    leak: str
    cells: tuple[Cell, ...]
    note: str


def family_rows(matrix: Matrix) -> tuple[HeatRow, ...]:
    """Return a row for each family, in the matrix's order."""
    survivors = {row.family for row in matrix.survivors}
    rows = []
    for family in matrix.killers:
        own = [row for row in matrix.rows if row.family == family]
        note = ""
        if family in survivors:
            note = "a leak of this family survived"
        elif family in matrix.thin:
            note = "fewer than two independent oracles, and no reason is given"
        elif family in matrix.found_by_one_method:
            note = f"one way: {matrix.argued[family]}"
        rows.append(HeatRow(family, f"{len(own)} leaks", cells_of(own, matrix.oracles), note))
    return tuple(rows)


def leak_rows(rows: Iterable[MatrixRow], oracles: Sequence[str]) -> tuple[HeatRow, ...]:
    """Return a row for each leak."""
    return tuple(HeatRow(row.id, row.leak, cells_of([row], oracles), "") for row in rows)


def cells_of(rows: Sequence[MatrixRow], oracles: Sequence[str]) -> tuple[Cell, ...]:
    """Return a cell for each oracle."""
    cells = []
    for oracle in oracles:
        found = sum(oracle in row.killed_by for row in rows)
        examined = sum(oracle not in row.not_asked for row in rows)
        shade = 0 if not found else 1 + found * 3 // examined
        cells.append(Cell(oracle, found, examined, shade))
    return tuple(cells)
