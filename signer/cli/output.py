"""Output of commands besides tables: JSON for machines, progress on a terminal."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
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

from hening.times import use_utc
from server.core.content.invisible import escape_invisible
from server.core.errors import HeningError
from server.core.quantities import spell_size
from signer.errors import SignerError

_LINE_EACH = 1 << 30


def print_json(value: dict[str, Any]) -> None:
    """Print one line of JSON, with escapes for unprintable characters."""
    line = json.dumps(value, sort_keys=True, ensure_ascii=False)
    if not line.isprintable():
        line = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)
    click.echo(line)


@contextmanager
def progress_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show the progress of long work: a bar on a terminal, elsewhere a line at each GiB.

    Yields a function of bytes done and bytes in all. The bar appears at the first call, so that it
    does not overwrite a passphrase prompt.
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


class Steps:
    """Measures the steps of one command with a monotonic clock in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure the body of the `with` statement as step `name`, for example `signing`."""
        begin = self._clock()
        yield
        self.seconds[name] = round(self._clock() - begin, 3)

    def print(self) -> None:
        """Print the steps on one line, if they took a second or more."""
        if sum(self.seconds.values()) < 1:
            return
        times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in self.seconds.items())
        click.echo(f"Took: {times}.")


DONE, REFUSED, USAGE, FAILED, STOPPED = 0, 1, 2, 3, 130


def describe(error: SignerError | HeningError | OSError) -> str:
    """Return one sentence for a person: what happened and what to do."""
    if not isinstance(error, OSError):
        return str(error)
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}; mend that and run the command again."


def report(sentence: str) -> None:
    """Print a sentence on standard error, after the program's name."""
    click.echo(f"hening-signer: {escape_invisible(sentence, lines=True)}", err=True)


def json_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option `--json`, which prints failures as JSON on standard output, too."""

    @wraps(command)
    def run(*arguments: Any, as_json: bool, **options: Any) -> None:
        if as_json:
            use_utc()
        try:
            command(*arguments, as_json=as_json, **options)
        except (SignerError, HeningError, OSError) as error:
            if as_json:
                print_json({"error": describe(error)})
            raise

    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(run)
