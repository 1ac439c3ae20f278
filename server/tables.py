"""Prints tables for people, as wide as the terminal, or 80 columns without one.

Words are not cut. If the columns do not fit side by side, each row becomes a paragraph.
hening-server and hening-signer share this module.
"""

from collections.abc import Sequence
from io import StringIO

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from server.core.content.invisible import escape_invisible

WIDTH = 80  # columns without a terminal
_GAP = 2  # between two columns
Cell = str | Text
"""A `Text` with `no_wrap` keeps its lines; other cells are wrapped between words."""


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]], empty: str = ""
) -> None:
    """Print a title, if any, and a table; without rows, print the sentence `empty` instead.

    Outside a terminal the table has no lines and no colours.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH, file=StringIO())
    if title:
        click.echo(escape_invisible(title))
    if rows:
        _print_rows(console, columns, [[_show(cell) for cell in row] for row in rows])
    elif empty:
        click.echo(empty)
    if isinstance(console.file, StringIO):
        for line in console.file.getvalue().splitlines():
            click.echo(line.rstrip())


def choose_widths(least: Sequence[int], natural: Sequence[int], room: int) -> list[int] | None:
    """Return a width for each column: at least `least`, at most `natural`, together within `room`.

    Columns that need the fewest more cells get them first, so that only the longest columns are
    wrapped. Returns None if even `least` does not fit.
    """
    spare = room - sum(least)
    if spare < 0:
        return None
    widths = list(least)
    for index in sorted(range(len(widths)), key=lambda index: natural[index] - least[index]):
        growth = min(spare, natural[index] - least[index])
        widths[index] += growth
        spare -= growth
    return widths


def _show(cell: Cell) -> Text:
    return cell if isinstance(cell, Text) else Text(escape_invisible(cell, lines=True))


def _print_rows(console: Console, columns: Sequence[str], rows: list[list[Text]]) -> None:
    whole = [*zip(map(Text, columns), *rows, strict=True)]
    natural = [max(map(_longest_line, cells)) for cells in whole]
    least = [max(map(_longest_part, cells)) for cells in whole]
    widths = choose_widths(least, natural, console.width - _GAP * (len(columns) - 1))
    if len(columns) == 2 and (widths is None or widths[0] < natural[0]):
        _print_facts(console, rows, max(_longest_line(label) for label, _ in rows))
    elif widths is None:
        _print_paragraphs(console, columns, rows)
    else:
        _print_grid(console, columns, rows, widths, is_wrapped=widths != natural)


def _longest_line(cell: Text) -> int:
    return max((line.cell_len for line in cell.split()), default=0)


def _longest_part(cell: Text) -> int:
    """Return the length of the longest part that must not be broken: a word, or a line."""
    if cell.no_wrap:
        return _longest_line(cell)
    return max((Text(word).cell_len for word in cell.plain.split()), default=0)


def _print_grid(
    console: Console,
    columns: Sequence[str],
    rows: list[list[Text]],
    widths: list[int],
    *,
    is_wrapped: bool,
) -> None:
    box = SIMPLE_HEAD if console.is_terminal else None  # SIMPLE_HEAD has spaces between columns
    table = Table(
        box=box,
        pad_edge=False,
        show_edge=False,
        padding=(0, _GAP - (box is not None), 0, 0),
        leading=int(is_wrapped and console.is_terminal),
    )
    for column, width in zip(columns, widths, strict=True):
        table.add_column(column, width=width, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _print_facts(console: Console, rows: list[list[Text]], width: int) -> None:
    """Print each row as label and value; a value that does not fit beside its label goes below."""
    for label, value in rows:
        if _longest_part(value) > console.width - width - _GAP:
            console.print(label)
            console.print(Padding(value, (0, 0, 0, 2 * _GAP)), overflow="fold")
            continue
        grid = Table.grid(padding=(0, _GAP, 0, 0))
        grid.add_column(width=width)
        grid.add_column()
        grid.add_row(label, value)
        console.print(grid)


def _print_paragraphs(console: Console, columns: Sequence[str], rows: list[list[Text]]) -> None:
    """Print the first cell of each row as a line, and the other columns below it."""
    for number, (first, *others) in enumerate(rows):
        if number:
            console.print()
        first.stylize("bold")
        console.print(first, overflow="fold")
        grid = Table.grid(padding=(0, _GAP, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for column, cell in zip(columns[1:], others, strict=True):
            if cell.plain:
                grid.add_row(f"  {column}", cell)
        console.print(grid)
