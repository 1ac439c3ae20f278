"""How a long command of the lab shows its progress, and how one ends where it cannot go on.

Progress is a bar on a terminal, elsewhere a line for each tenth of the work.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from types import FrameType
from typing import Final, NoReturn

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

from client_sim.lab.errors import LabError
from client_sim.lab.programme.execute import Tell
from client_sim.lab.scenarios.confines import Ended

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


def fail(message: str, status: int) -> NoReturn:
    """Print the message, and end with `status`: 1 bad input, 3 a failed environment."""
    click.echo(f"error: {message}", err=True)
    raise SystemExit(status)


@contextmanager
def ending_with_children() -> Iterator[None]:
    """Make SIGTERM end the worker processes, and then this one, with status 143.

    Without it the workers would go on alone, and Python would warn of leaked semaphores. The
    handler does not raise where there are workers: the caller that waits for their results learns
    that they are gone, and until then the pool is left as it is.
    """
    has_ended = False

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal has_ended
        has_ended = True
        children = active_children()
        for child in children:
            child.terminate()
        if not children:
            raise Ended(number)  # not an end that the running client caused

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except (LabError, Ended):
        if not has_ended:
            raise
    finally:
        signal.signal(signal.SIGTERM, before)
    if has_ended:
        raise SystemExit(128 + signal.SIGTERM)
