"""Shows how far long work is: a bar on a terminal, elsewhere a line for each GiB."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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

LINE_EACH = 1 << 30
Advance = Callable[[str, int, int], None]
"""Called with what is being done, octets done, and octets in all."""


@contextmanager
def progress_bar() -> Iterator[Advance]:
    """Give a function that shows progress on standard error until the block ends."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _line_printer()
        return
    columns = (
        *(TextColumn("{task.description}"), BarColumn()),
        *(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)

        def show(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        yield show


def _line_printer() -> Advance:
    shown = 0

    def show(what: str, done: int, total: int) -> None:
        nonlocal shown
        if done // LINE_EACH > shown:
            shown = done // LINE_EACH
            click.echo(f"{what}: {spell_size(done)} of {spell_size(total)}", err=True)

    return show
