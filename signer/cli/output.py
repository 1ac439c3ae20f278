"""Output of commands besides tables: JSON, progress on a terminal, reviews of proposals."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

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
from server.tables import print_table
from signer.errors import SignerError

if TYPE_CHECKING:
    from signer.proposal.accept import Tally
    from signer.proposal.review import RoleReview

_MANY = 12  # if there are more roles, renewals are rows of a table
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

    Yields a function of the bytes done and the total. The bar appears at the first call, so that it
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
    return f"{place}{error.strerror or error}; correct that and run the command again."


def report(sentence: str) -> None:
    """Print a sentence on standard error, after the program's name."""
    click.echo(f"hening-signer: {escape_invisible(sentence, lines=True)}", err=True)


def json_option(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option `--json`, with which failures are also printed as JSON."""

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


def print_review(reviews: Sequence[RoleReview]) -> None:
    """Print each role with its changes and warnings; among many roles, a renewal is one row."""
    renewed = [review for review in reviews if _is_renewal(review)]
    shown = [review for review in reviews if len(reviews) <= _MANY or review not in renewed]
    for review in shown:
        _print_role(review)
    if len(reviews) > _MANY and renewed:
        print_table(
            "Roles of which only the expiry changes",
            ("role", "signatures", "expires"),
            [(f"{r.role} {r.version}", r.signatures, f"{r.expires:%Y-%m-%d}") for r in renewed],
        )


def review_json(review: RoleReview) -> dict[str, Any]:
    """Return a review as JSON values."""
    return {
        "changes": list(review.changes),
        "expires": f"{review.expires:%Y-%m-%dT%H:%M:%SZ}",
        "replaces": review.replaces,
        "role": review.role,
        "signatures": review.signatures,
        "version": review.version,
        "warnings": list(review.warnings),
    }


def print_tallies(tallies: Sequence[Tally], names: dict[str, str]) -> None:
    """Print how many signatures each role has and which holders can still sign."""
    print_table(
        "Signatures",
        ("role", "has", "signed by", "can still sign"),
        [
            (
                f"{tally.role}{f', {tally.judge}' if tally.judge else ''}",
                f"{len(tally.signed)} of {tally.threshold}",
                ", ".join(sorted(names.get(key, key[:16]) for key in tally.signed)),
                ", ".join(sorted(names.get(key, key[:16]) for key in tally.waiting)),
            )
            for tally in tallies
        ],
    )


def tally_json(tally: Tally) -> dict[str, Any]:
    """Return a tally as JSON values."""
    return {
        "judge": tally.judge,
        "role": tally.role,
        "signed": list(tally.signed),
        "threshold": tally.threshold,
        "waiting": list(tally.waiting),
    }


def _print_role(review: RoleReview) -> None:
    was = f"replaces {review.role} {review.replaces}" if review.replaces else "is new"
    _say(f"{review.role} {review.version} {was}, expires on {review.expires:%Y-%m-%d}.")
    _say(f"To be signed by {review.signatures}.", indent="  ")
    for sentence in review.changes:
        _say(sentence, indent="  ")
    for sentence in review.warnings:
        _say(f"Warning: {sentence}", indent="  ")


def _say(sentence: str, *, indent: str = "") -> None:
    """Print a sentence; on a terminal it is wrapped between words."""
    sentence = escape_invisible(sentence)
    if sys.stdout.isatty():
        sentence = textwrap.fill(
            sentence,
            shutil.get_terminal_size().columns,
            initial_indent=indent,
            subsequent_indent=f"{indent}    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        click.echo(sentence)
    else:
        click.echo(f"{indent}{sentence}")


def _is_renewal(review: RoleReview) -> bool:
    from signer.proposal.review import RENEWAL

    return bool(review.replaces) and review.changes == (RENEWAL,) and not review.warnings
