"""Progress of long work: a bar on a terminal, elsewhere a line for each tenth of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from client_sim.lab.programme.execute import Tell

_LONG: Final = 50  # steps: shorter work needs no progress


@contextmanager
def show_progress() -> Iterator[Tell]:
    """Yield a callback that shows on standard error how far each kind of work is."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _print_tenths
        return
    columns = (
        TextColumn("{task.description:>8}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bars: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what, total=total)
            progress.update(bars[what], completed=done)

        yield tell


def _print_tenths(what: str, done: int, total: int) -> None:
    if total >= _LONG and done * 10 // total > (done - 1) * 10 // total:
        click.echo(f"{what}: {done:,} of {total:,}", err=True)
