"""Progress and termination of the lab's long commands.

Progress is a bar on a terminal, and otherwise a line for each tenth of the work.
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

from client_sim.lab.errors import EnvironmentFailedError, LabError
from client_sim.lab.programme.execute import OnProgress
from client_sim.lab.scenarios.limits import Ended

_LONG: Final = 50  # steps; no progress is printed for less


@contextmanager
def show_progress() -> Iterator[OnProgress]:
    """Yield a callback that shows the progress of each kind of work on standard error."""
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

        def on_progress(kind: str, done: int, total: int) -> None:
            if kind not in bars:
                bars[kind] = progress.add_task(kind, total=total)
            progress.update(bars[kind], completed=done)

        yield on_progress


def _print_tenths(kind: str, done: int, total: int) -> None:
    if total >= _LONG and done * 10 // total > (done - 1) * 10 // total:
        click.echo(f"{kind}: {done:,} of {total:,}", err=True)


def fail(message: str, status: int) -> NoReturn:
    """Print the message and exit with `status`: 1 for bad input, 3 for a failed environment."""
    click.echo(f"error: {message}", err=True)
    raise SystemExit(status)


@contextmanager
def failing() -> Iterator[None]:
    """Exit with 3 if the environment fails, and with 1 for any other error of the lab."""
    try:
        yield
    except (EnvironmentFailedError, OSError) as error:
        fail(str(error), 3)
    except LabError as error:
        fail(str(error), 1)


@contextmanager
def ending_with_children() -> Iterator[None]:
    """Make SIGTERM end the worker processes, and then this process with status 143.

    Without this, the workers would continue as orphans and Python would warn of leaked semaphores.
    If there are workers, the handler does not raise: the caller that waits for their results gets
    an error when they have ended, and the pool is not interrupted before that.
    """
    has_ended = False

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal has_ended
        has_ended = True
        children = active_children()
        for child in children:
            child.terminate()
        if not children:
            raise Ended(number)  # tells this signal from an exit that the examined client caused

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
