"""What commands print beside tables: JSON for machines, progress on a terminal."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

from server.core.quantities import spell_size

_LINE_EACH = 1 << 30


def print_json(value: dict[str, Any]) -> None:
    """Print one line of JSON, with escapes for all that does not print."""
    line = json.dumps(value, sort_keys=True, ensure_ascii=False)
    if not line.isprintable():
        line = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)
    click.echo(line)


@contextmanager
def progress_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far long work is: a bar on a terminal, elsewhere a line at each GiB.

    Yields a function of bytes done and bytes in all. The bar appears when it is first called, so
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
            click.echo(f"{description}: {spell_size(done)} of {spell_size(total)}", err=True)

    return show
