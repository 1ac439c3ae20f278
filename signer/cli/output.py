"""What commands print: tables for people, JSON for machines, progress on a terminal."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from server.core.content.invisible import escape_invisible

_NO_TERMINAL_WIDTH = 240
_LINE_EACH = 1 << 30


def print_json(value: dict[str, Any]) -> None:
    """Print one line of JSON, with escapes for all that does not print."""
    line = json.dumps(value, sort_keys=True, ensure_ascii=False)
    if not line.isprintable():
        line = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)
    click.echo(line)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; off a terminal it is plain lines, wide enough to search in."""
    console = Console(highlight=False)
    plain = not console.is_terminal
    table = Table(pad_edge=not plain)
    if plain:
        table.box = None
        console = Console(highlight=False, width=_NO_TERMINAL_WIDTH, file=StringIO())
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(escape_invisible(cell, lines=True)) for cell in row))
    # Not the table's own title, which is wrapped to the table's width.
    click.echo(escape_invisible(title))
    console.print(table)
    if isinstance(console.file, StringIO):
        for line in console.file.getvalue().splitlines():
            click.echo(line.rstrip())


@contextmanager
def progress_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far long work is: a bar on a terminal, elsewhere a line at each GiB.

    Yields a function of octets done and octets in all. The bar appears when it is first called, so
    that it does not paint over a passphrase prompt.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _line_printer(description)
        return
    columns = (
        *(TextColumn(description), BarColumn()),
        *(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()),
    )
    progress = Progress(*columns, console=console, transient=True)
    task = progress.add_task(description, total=None)

    def show(done: int, total: int) -> None:
        progress.start()
        progress.update(task, completed=done, total=total)

    try:
        yield show
    finally:
        progress.stop()


def _line_printer(description: str) -> Callable[[int, int], None]:
    shown = 0

    def show(done: int, total: int) -> None:
        nonlocal shown
        if done // _LINE_EACH > shown:
            shown = done // _LINE_EACH
            click.echo(f"{description}: {done} of {total} octets", err=True)

    return show
